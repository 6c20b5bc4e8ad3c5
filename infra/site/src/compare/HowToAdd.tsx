/** How a second model comes beside the only one. */
export function HowToAdd() {
  return (
    <section class="card how-to-add" aria-labelledby="how-to-add">
      <h2 id="how-to-add">Add a second model</h2>
      <p>
        Serve it by an API of its own, and list the address of that in <code>compare</code> of <code>config.json</code>, which lies
        beside this page and is written when it is deployed.
      </p>
      <p>
        On localhost, start the program that serves this page with <code>--site-apis</code> and the address.
      </p>
      <p>
        The other API has to allow this page: <code>--cors-origins {location.origin}</code>
      </p>
    </section>
  );
}
