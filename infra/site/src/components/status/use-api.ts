import { useCallback, useEffect, useState } from 'preact/hooks';
import { Client } from '../../api/client.ts';
import { type Config, loadConfig } from '../../api/config.ts';
import { ApiError } from '../../api/error.ts';
import { type ModelWatch, useModel } from './use-model.ts';

/** The API of this page, and the model behind it. */
export interface Api extends ModelWatch {
  /** Null until `config.json` is read. */
  readonly client: Client | null;
  readonly config: Config | null;
}

/** Reads `config.json`, and watches the model behind the API that it names. */
export function useApi(): Api {
  const [configured, setConfigured] = useState<{ config: Config; client: Client } | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    let left = false;
    loadConfig().then(
      (config) => {
        if (left) return;
        setError(null);
        setConfigured({ config, client: new Client(config.api) });
      },
      (thrown: unknown) => {
        if (!left) setError(ApiError.wrap(thrown));
      },
    );
    return () => {
      left = true;
    };
  }, [round]);
  const watch = useModel(configured?.client ?? null);
  const { refresh } = watch;
  const retry = useCallback(() => (error ? setRound((before) => before + 1) : refresh()), [error, refresh]);
  return {
    ...watch,
    client: configured?.client ?? null,
    config: configured?.config ?? null,
    error: error ?? watch.error,
    refresh: retry,
  };
}
