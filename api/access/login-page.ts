import { createHash } from 'node:crypto';

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 100vh; margin: 0; background: #f4f5f7; color: #1c2430 }
main { background: #fff; padding: 2rem 2.5rem; border-radius: 8px; box-shadow: 0 1px 4px #0003; max-width: 24rem }
h1 { font-size: 1.25rem; margin: 0 0 1rem }
label { display: block; margin-bottom: .25rem }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; border: 1px solid #9aa4b2; border-radius: 4px }
button { font: inherit; margin-top: 1rem; padding: .5rem 1.25rem; border: 0; border-radius: 4px; background: #14539a; color: #fff }
.error { color: #a3131f }
`;

/** Nothing runs in it, nothing is loaded, nobody frames it; the form leads here, and from here to a workspace. */
export function contentPolicy(formTargets: readonly string[]): string {
  const style = createHash('sha256').update(STYLE).digest('base64');
  const rules = [
    "default-src 'none'",
    `style-src 'sha256-${style}'`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ];
  return [...rules, `form-action 'self' ${formTargets.join(' ')}`].join('; ');
}

/** @param to - where the form leads: a workspace's URL, checked */
export function loginPage({ to, error }: { to: string; error: string | null }): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Berth</title>
<style>${STYLE}</style>
<main>
<h1>Open ${escaped(new URL(to).host)}</h1>
${error === null ? '' : `<p class="error" role="alert">${escaped(error)}</p>`}
<form method="post" action="/login">
<input type="hidden" name="to" value="${escaped(to)}">
<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button>Open</button>
</form>
</main>
</html>
`;
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
