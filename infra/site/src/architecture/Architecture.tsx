import { Status } from '../components/Status.tsx';
import { useApi } from '../components/use-api.ts';

export function Architecture() {
  const api = useApi();
  return (
    <>
      <h1>Architecture</h1>
      <Status watch={api} />
    </>
  );
}
