/** Limits updates to one per animation frame: tokens can arrive faster than the screen shows them. */
export function perFrame(update: () => void): { request(): void; cancel(): void } {
  let frame = 0;
  return {
    request() {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        update();
      });
    },
    cancel: () => cancelAnimationFrame(frame),
  };
}
