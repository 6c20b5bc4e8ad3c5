/** Address of the source code, as the build was told. */
declare const __SOURCE_URL__: string;
