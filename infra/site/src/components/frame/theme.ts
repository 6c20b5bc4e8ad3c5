/** Dark or light theme: that of the system until the reader chooses. `public/theme.js` applies the choice early. */
export type Theme = 'light' | 'dark';

const KEY = 'troelsllm.theme';
const dark = () => matchMedia('(prefers-color-scheme: dark)');

/** The theme that is shown. */
export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset['theme'];
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return dark().matches ? 'dark' : 'light';
}

/** Shows a theme, and stores it for the next visit where the browser allows it. */
export function chooseTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Without storage it lasts as long as the page.
  }
}

/** Calls `changed` whenever the theme may have changed; returns the function that unsubscribes. */
export function onThemeChange(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  const query = dark();
  query.addEventListener('change', changed);
  return () => {
    observer.disconnect();
    query.removeEventListener('change', changed);
  };
}
