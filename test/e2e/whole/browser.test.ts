import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import type { BrowserContext, Page } from 'playwright-core';
import { Berth, Bucket, type View } from '../../support/berth.js';
import { openBrowser } from '../../support/browser.js';
import { eventually } from '../../support/swarm.js';

/** Where the README's pictures come from: `BERTH_SCREENSHOTS=docs/images make test`. */
const SCREENSHOTS = process.env['BERTH_SCREENSHOTS'] ?? '.cache/screenshots';

describe('A person with a browser', function () {
  this.timeout(300_000);
  const berth = new Berth();
  const bucket = new Bucket(berth, `browser-${randomBytes(4).toString('hex')}`);
  let view: View;
  let context: BrowserContext;
  let close: () => Promise<void> = async () => undefined;

  before(async () => {
    await mkdir(SCREENSHOTS, { recursive: true });
    await bucket.create();
    await bucket.put('README.md', '# My project\n\nThese files live in an S3 bucket.\n');
    await bucket.put('src/main.py', 'print("hello from Berth")\n');
    [view, { context, close }] = await Promise.all([
      berth.start({ bucketId: bucket.name, image: 'berth/workspace' }),
      openBrowser(berth),
    ]);
  });
  after(async () => {
    await close();
    if (view !== undefined) await berth.removeQuietly([view.containerId]);
    bucket.close();
    berth.close();
  });

  const shot = (page: Page, name: string) => page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });

  it('edits in VS Code, and what its terminal writes is in the bucket within 20 seconds', async () => {
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await open(page, view.accessUrls?.code ?? '', '.monaco-workbench');
    await page.locator('.explorer-folders-view').getByText('README.md').first().dblclick({ timeout: 60_000 });
    await page.locator('.editor-group-container .tab').getByText('README.md').waitFor();
    await page.keyboard.press('Control+Backquote');
    const terminal = page.locator('.terminal-wrapper.active .xterm-helper-textarea');
    await terminal.waitFor({ state: 'attached', timeout: 60_000 });
    await terminal.focus();
    await page.locator('.terminal-wrapper.active .xterm-screen').waitFor();
    await page.keyboard.type('echo hi > hello.txt\n', { delay: 20 });
    await eventually(
      'hello.txt on the disk',
      async () => (await berth.shell(view.containerId, 'cat /workspace/hello.txt || true')) === 'hi\n',
    );
    await eventually(
      'hello.txt in the bucket',
      async () => (await bucket.get('hello.txt')) === 'hi\n',
      20_000,
    );
    await page.locator('.explorer-folders-view').getByText('hello.txt').first().waitFor();
    await shot(page, 'code');
    await page.close();
  });

  it('gets in by the form, with an API key, where there is no link', async () => {
    const page = await context.newPage();
    await open(page, view.urls.vnc, 'form');
    await page.getByLabel('API key').fill('bkwrong_0123456789abcdef');
    await page.getByRole('button').click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('API key').fill(process.env['BERTH_TEST_KEY'] ?? '');
    await page.getByRole('button').click();
    await page.locator('canvas').first().waitFor();
    expect(page.url()).to.equal(`${view.urls.vnc}/`);
    await page.close();
  });

  it('sees the desktop and works on it', async () => {
    const page = await context.newPage();
    await open(page, view.accessUrls?.vnc ?? '', 'canvas');
    const canvas = page.locator('canvas').first();
    await eventually('a picture', async () => (await colours(page)) > 16);
    // Ctrl+Alt+T opens a terminal on the desktop.
    await canvas.click({ position: { x: 640, y: 500 } });
    await page.keyboard.press('Control+Alt+t');
    await eventually('a terminal window', async () => {
      const windows = await berth.shell(view.containerId, 'pgrep -u dev -x xterm || true');
      return windows.trim() !== '';
    });
    // Its process is there before its window has the keyboard: typed until it arrives.
    const written = () => berth.shell(view.containerId, 'cat /workspace/desktop.txt 2>/dev/null || true');
    await eventually('what was typed on the desktop', async () => {
      await page.keyboard.type('echo from the desktop > /workspace/desktop.txt\n', { delay: 30 });
      return (await written()) === 'from the desktop\n';
    });
    await shot(page, 'desktop');
    await page.close();
  });

  it('is told how to show a web app while there is none', async () => {
    const page = await context.newPage();
    await open(page, view.accessUrls?.web ?? '', 'body');
    expect(await page.locator('body').innerText()).to.contain('3000');
    await shot(page, 'web');
    await page.close();
  });
});

/**
 * Opens a page until it shows `selector`. Chromium drops the requests under way whenever an interface of
 * its host changes (ERR_NETWORK_CHANGED), and here each container that starts brings some.
 */
async function open(page: Page, url: string, selector: string): Promise<void> {
  const shows = () =>
    page
      .goto(url)
      .then(() => page.locator(selector).first().waitFor({ timeout: 60_000 }))
      .then(
        () => true,
        () => false,
      );
  await eventually(`${url} shows ${selector}`, shows, 240_000);
}

/** How many different colours the desktop's canvas shows. */
function colours(page: Page): Promise<number> {
  return page.evaluate(() => {
    const canvas = document.querySelector('canvas');
    const pixels = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data;
    if (pixels === undefined) return 0;
    const seen = new Set<number>();
    for (let i = 0; i < pixels.length; i += 400) {
      seen.add(((pixels[i] ?? 0) << 16) | ((pixels[i + 1] ?? 0) << 8) | (pixels[i + 2] ?? 0));
    }
    return seen.size;
  });
}
