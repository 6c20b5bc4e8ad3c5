import { Status } from '../components/Status.tsx';
import { useApi } from '../components/use-api.ts';

export function Compare() {
  const api = useApi();
  return (
    <>
      <h1>Compare</h1>
      <Status watch={api} />
    </>
  );
}
