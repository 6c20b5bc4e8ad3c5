/** Grace period of a request: seconds beyond its time limit, in which the function writes the end of its answer. */
export const GRACE_SECONDS = 5;
