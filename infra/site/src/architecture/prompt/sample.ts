import { ApiError } from '../../api/error.ts';
import type { InspectResponse, ModelState } from '../../api/types.ts';

/** Recorded answers of an API (`npm run record`), shown while no API answers. */
export interface Sample {
  /** When, in RFC 3339. */
  recorded_at: string;
  prompt: string;
  model: ModelState;
  inspection: InspectResponse;
}

/** Fetches the recorded sample, a file of its own beside the page's scripts. */
export async function loadSample(): Promise<Sample> {
  const response = await fetch(new URL('./sample.json', import.meta.url));
  if (!response.ok) throw await ApiError.of(response);
  return (await response.json()) as Sample;
}
