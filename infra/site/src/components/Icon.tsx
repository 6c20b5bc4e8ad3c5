const PATHS = {
  moon: 'M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5Z',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1',
  send: 'M5 12h13M12.5 6 19 12l-6.5 6',
  stop: 'M7 7h10v10H7Z',
  copy: 'M9 9h10v11H9ZM6 15H5V4h10v2',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
  again: 'M19 12a7 7 0 1 1-2-5l2 2M19 4v5h-5',
  clear: 'M6 6l12 12M18 6 6 18',
  other: 'M4 8h3l8 9h5M17 14l3 3-3 3M4 17h3l2-2.2M12.5 10.8 15 8h5M17 5l3 3-3 3',
  undo: 'M8 5 4 9l4 4M4 9h9a6 6 0 0 1 0 12h-3',
} as const;

/** Decorative icon, hidden from screen readers: the element that contains it needs an accessible name. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 24 24"
      aria-hidden="true"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
