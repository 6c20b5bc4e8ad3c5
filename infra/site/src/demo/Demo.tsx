import { Status } from '../components/Status.tsx';
import { useApi } from '../components/use-api.ts';

export function Demo() {
  const api = useApi();
  return (
    <>
      <h1>Demo</h1>
      <Status watch={api} />
    </>
  );
}
