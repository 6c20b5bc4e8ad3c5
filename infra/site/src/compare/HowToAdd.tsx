/** Instructions for adding a second model. */
export function HowToAdd() {
  return (
    <section class="card how-to-add" aria-labelledby="how-to-add">
      <h2 id="how-to-add">Add a second model</h2>
      <p>
        Serve it with an API of its own. Two settings are needed: this page has to be allowed to call that API (its content
        policy), and that API has to accept calls from this page (CORS).
      </p>
      <p>
        On AWS both are set in <code>infra/settings.ts</code> and deployed: the address of the API in <code>site.compare</code>{' '}
        of the stage with this page, and <code>{location.origin}</code> in <code>serving.corsOrigins</code> of the stage with the
        API.
      </p>
      <p>
        On localhost, start the program that serves this page with <code>--site-apis</code> and the address, and the other with{' '}
        <code>--cors-origins {location.origin}</code>.
      </p>
    </section>
  );
}
