// Opens /docs in Chromium as a person would, and says what is to be seen, as one line of JSON.
//
//   node docs_page.mjs NODE_MODULES CHROMIUM URL FOLDER     (FOLDER: for pictures)
//
// The browser reaches nothing but URL: names do not resolve, and other addresses are behind a proxy
// that is not there. What it tries all the same is told as `foreign`.
import {createRequire} from "node:module";

const [modules, executablePath, url, folder] = process.argv.slice(2);
const {chromium} = createRequire(`${modules}/`)("playwright-core");

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--proxy-server=127.0.0.1:9"],
});
const context = await browser.newContext({viewport: {width: 1440, height: 1000}, colorScheme: "light"});
const page = await context.newPage();
const errors = [], foreign = [], authorized = [];
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
page.on("pageerror", (error) => errors.push(error.message));
page.on("request", (request) => {
  if (!request.url().startsWith(url)) foreign.push(request.url());
  if (request.headers().authorization) authorized.push(new URL(request.url()).pathname);
});

const texts = (selector) => page.locator(selector).allInnerTexts();
const picture = (name) => page.screenshot({path: `${folder}/docs-${name}.png`});

/** Chooses an example, sends it, and returns {status, body} as the page shows them. */
async function send(operation, example) {
  const form = page.locator(`#${operation} form`);
  if (example) await form.locator("select").first().selectOption(example);
  await form.getByRole("button", {name: "Send"}).click();
  await form.getByText(/^\d+ ms$/).waitFor();
  return {
    status: await form.locator(".output .badge").innerText(),
    body: await form.locator(".output > pre").innerText(),
  };
}

await page.goto(`${url}/docs`);
await page.locator("#schema-Event").waitFor();
const seen = {
  title: await page.title(),
  operations: (await texts(".operation .target")).map((text) => text.replace(/\s+/g, " ").trim()),
  schemas: await texts(".schema h3 code"),
  fields: await texts("#schema-Event tbody th code"),
  statuses: await texts("#postTransactions details.response > summary .badge"),
  examples: await page.locator("#postTransactions form select").first().locator("option").evaluateAll(
    (options) => options.map((each) => each.value)),
  unnamed: await page.locator("input, select, textarea, button").evaluateAll(
    (fields) => fields.filter((each) => !each.labels?.length && !each.textContent.trim()).length),
};
await page.keyboard.press("Tab");
seen.first_stop = await page.evaluate(() => document.activeElement.textContent);
await page.locator("#main").focus();
await picture("light");
await page.emulateMedia({colorScheme: "dark"});
seen.dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
await picture("dark");

seen.sent = await send("postTransactions", "single");
seen.without_key = authorized.slice();
await page.locator("#key").fill("tr_example");
seen.health = await send("getHealth");
seen.with_key = authorized.slice();
seen.kept = await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length);
seen.errors = errors.slice();  // Chromium counts an answer of 422 as one, so that comes after
await page.locator("#key").fill("");
seen.refused = await send("postTransactions", "invalid_fields");
await page.locator("#postTransactions").scrollIntoViewIfNeeded();
await picture("answered");
await page.setViewportSize({width: 420, height: 900});
await page.emulateMedia({colorScheme: "light"});
seen.overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
await picture("narrow");
await page.goto(`${url}/problems/busy`);
seen.problem = await texts("h1, h2");
await browser.close();
console.log(JSON.stringify({...seen, foreign}));
