import type { Manifest, ModelInfo, ModelState } from './types.ts';

/** The state of an API that has loaded its model: what `GET /model` returns, without nulls. */
export interface LoadedModel extends ModelState {
  readonly model: NonNullable<ModelState['model']>;
  readonly model_info: ModelInfo;
  readonly manifest: Manifest;
}

/** `state` if it has a model, else null. */
export function loadedModel(state: ModelState | null | undefined): LoadedModel | null {
  return state?.model && state.model_info && state.manifest ? (state as LoadedModel) : null;
}
