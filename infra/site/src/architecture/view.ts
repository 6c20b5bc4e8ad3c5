import type { InspectResponse, Manifest, ModelInfo, ModelState } from '../api/types.ts';

/** What `GET /model` says once there is a model. */
export interface Details extends ModelState {
  readonly model: NonNullable<ModelState['model']>;
  readonly model_info: ModelInfo;
  readonly manifest: Manifest;
}

/** A text inside a model: what the stations of the page show. */
export interface View {
  readonly inspection: InspectResponse;
  readonly text: string;
  readonly details: Details;
}

/** A state with everything in it, or null. */
export function detailsOf(state: ModelState | null | undefined): Details | null {
  return state?.model && state.model_info && state.manifest ? (state as Details) : null;
}
