import type { ComponentChildren } from 'preact';
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { keepApi, loadConfig } from '../../api/config.ts';
import '../../styles/index.css';
import { ThemeToggle } from './ThemeToggle.tsx';

/** The pages of the site. */
const PAGES = [
  { file: 'index.html', name: 'Demo' },
  { file: 'architecture.html', name: 'Architecture' },
  { file: 'compare.html', name: 'Compare' },
] as const;

/** Address of the source code, from `SOURCE_URL` at the build; empty if that was not set. */
const SOURCE = __SOURCE_URL__;

/** A page's name, as the navigation has it. */
export type PageName = (typeof PAGES)[number]['name'];

/** Frame of every page: header with navigation and theme, content, footer. */
export function Frame({ page, children }: { page: PageName; children: ComponentChildren }) {
  const query = keepApi();
  const api = useAddress();
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="site-header">
        <div class="wide site-header-row">
          <a class="brand" href={`index.html${query}`}>
            <span class="brand-mark" aria-hidden="true" />
            TroelsLLM
          </a>
          <nav aria-label="Pages">
            <ul class="site-nav">
              {PAGES.map(({ file, name }) => (
                <li key={file}>
                  <a href={`${file}${query}`} aria-current={name === page ? 'page' : undefined}>
                    {name}
                  </a>
                </li>
              ))}
            </ul>
          </nav>
          <ThemeToggle />
        </div>
      </header>
      <main id="main" class="wide" tabIndex={-1}>
        {children}
      </main>
      <footer class="site-footer">
        <div class="wide">
          A small GPT that you train and serve yourself. Every number on this page comes from the served model
          {page !== 'Compare' && ' or from its recorded sample'}.{' '}
          <span class="footer-links">
            {SOURCE && <a href={SOURCE}>Source code</a>} <a href={`${api}/docs`}>Documentation of the API</a>
          </span>
        </div>
      </footer>
    </>
  );
}

/** Address of the API; empty if it lies where the page does, or is not known yet. */
function useAddress(): string {
  const [address, setAddress] = useState('');
  useEffect(() => {
    // Whoever needs it says what is wrong with it.
    loadConfig().then(({ api }) => setAddress(api), () => {});
  }, []);
  return address;
}

/** Shows a page. */
export function mount(page: PageName, content: ComponentChildren): void {
  const root = document.getElementById('page');
  if (!root) throw new Error('the document has no element #page');
  render(<Frame page={page}>{content}</Frame>, root);
}
