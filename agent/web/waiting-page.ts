/**
 * The page on the web URL while no app runs. It asks in the background whether one does, and then
 * shows it by itself.
 */
export function waitingPage(appPort: number): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Waiting for your app</title>
<style>
  :root { color-scheme: light dark; --ink: #14213d; --soft: #52607a; --paper: #f6f8fc; --card: #fff; --line: #dde3ee; --accent: #1f6feb; }
  @media (prefers-color-scheme: dark) { :root { --ink: #e8edf7; --soft: #9aa8c2; --paper: #0d1420; --card: #151e2e; --line: #263349; --accent: #6aa5ff; } }
  * { box-sizing: border-box; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
  main { width: min(40rem, 100%); background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 2rem; }
  h1 { font-size: 1.4rem; margin: 0 0 .5rem; }
  p { margin: .6rem 0; color: var(--soft); }
  dl { margin: 1.2rem 0 0; }
  dt { font-weight: 600; margin-top: .8rem; }
  dd { margin: .25rem 0 0; }
  code { display: block; overflow-x: auto; padding: .55rem .8rem; border: 1px solid var(--line); border-radius: 8px; background: var(--paper); font: 14px/1.5 ui-monospace, monospace; color: var(--ink); }
  .status { display: flex; align-items: center; gap: .6rem; margin-top: 1.4rem; font-size: .92rem; }
  .dot { width: .65rem; height: .65rem; border-radius: 50%; background: var(--accent); animation: pulse 1.8s ease-in-out infinite; }
  @keyframes pulse { 50% { opacity: .25; } }
  @media (prefers-reduced-motion: reduce) { .dot { animation: none; } }
</style>
</head>
<body>
<main>
  <h1>Nothing is running on port ${appPort} yet</h1>
  <p>Start a web app on port ${appPort} in this workspace’s terminal and it appears here.</p>
  <dl>
    <dt>Node.js (Vite)</dt><dd><code>npm run dev -- --port ${appPort}</code></dd>
    <dt>Python</dt><dd><code>python3 -m http.server ${appPort}</code></dd>
    <dt>Anything else</dt><dd><code>PORT=${appPort} ./my-app</code></dd>
  </dl>
  <p class="status" role="status"><span class="dot" aria-hidden="true"></span><span>Watching port ${appPort}. This page reloads by itself.</span></p>
</main>
<script>
  async function look() {
    try {
      const answer = await fetch(location.href, { method: 'HEAD', cache: 'no-store' });
      if (!answer.headers.has('x-berth-web') && answer.status !== 502) return location.reload();
    } catch { /* The workspace is being restarted; look again. */ }
    setTimeout(look, document.hidden ? 5000 : 1500);
  }
  setTimeout(look, 1500);
</script>
</body>
</html>
`;
}
