import { useEffect, useRef, useState } from 'preact/hooks';
import { type Shared, fromFragment } from './share.ts';

/** The shared link in the page's address, now and whenever its fragment changes. */
export function useFragment(changed: (shared: Shared) => void): Shared | null {
  const [shared, setShared] = useState(() => fromFragment(location.hash));
  const handler = useRef(changed);
  handler.current = changed;
  useEffect(() => {
    const onChange = () => {
      const next = fromFragment(location.hash);
      setShared(next);
      if (next) handler.current(next);
    };
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return shared;
}
