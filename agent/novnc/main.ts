import RFB from '@novnc/novnc';

// The desktop's page: connects by itself, again and again when the connection breaks, follows the
// window's size, and shares the clipboard where the browser allows it.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found as T;
}

const screenElement = element('screen');
const notice = element('notice');
const noticeTitle = element('notice-title');
const noticeText = element('notice-text');
const retryButton = element<HTMLButtonElement>('retry');

let rfb: RFB | null = null;
let failures = 0;
let timer: number | undefined;

function websocketUrl(): string {
  const url = new URL('websockify', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  // An access token in the page's own URL has done its work; the cookie counts.
  url.search = '';
  return url.href;
}

function connect(): void {
  clearTimeout(timer);
  retryButton.hidden = true;
  const client = new RFB(screenElement, websocketUrl(), { shared: true });
  rfb = client;
  client.scaleViewport = true;
  client.resizeSession = true;
  client.background = 'transparent';
  client.showDotCursor = true;
  client.addEventListener('connect', () => {
    failures = 0;
    notice.hidden = true;
    document.body.dataset.state = 'connected';
    client.focus({ preventScroll: true });
    void offerClipboard();
  });
  client.addEventListener('clipboard', (event) => {
    void receiveClipboard((event as CustomEvent<{ text: string }>).detail.text);
  });
  client.addEventListener('disconnect', () => {
    if (rfb !== client) return;
    rfb = null;
    reconnectLater();
  });
}

function reconnectLater(): void {
  failures += 1;
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
  document.body.dataset.state = 'disconnected';
  noticeTitle.textContent = failures > 3 ? 'The desktop does not answer' : 'Connecting again';
  noticeText.textContent =
    failures > 3
      ? 'Your workspace may be starting or stopping. Your files are safe; this page keeps trying.'
      : 'The connection was interrupted.';
  retryButton.hidden = failures <= 3;
  notice.hidden = false;
  timer = window.setTimeout(connect, wait);
}

retryButton.addEventListener('click', connect);
window.addEventListener('online', () => {
  if (rfb === null) connect();
});

// --- clipboard ---

const panel = element('clipboard');
const panelButton = element<HTMLButtonElement>('clipboard-button');
const panelText = element<HTMLTextAreaElement>('clipboard-text');
const panelNote = element('clipboard-note');
let lastShared = '';

/** Text copied in the desktop goes to this computer's clipboard, or at least to the panel. */
async function receiveClipboard(text: string): Promise<void> {
  lastShared = text;
  panelText.value = text;
  try {
    await navigator.clipboard.writeText(text);
    panelNote.textContent = 'Copied to this computer’s clipboard.';
  } catch {
    panelNote.textContent = 'This browser does not let the page use the clipboard: copy the text from here.';
  }
}

/** What was copied on this computer goes to the desktop, if the browser allows that without a question. */
async function offerClipboard(): Promise<void> {
  if (!(await mayReadClipboard())) return;
  try {
    const text = await navigator.clipboard.readText();
    if (text === '' || text === lastShared) return;
    sendClipboard(text);
  } catch {
    // Not focused, or an image: nothing to share.
  }
}

async function mayReadClipboard(): Promise<boolean> {
  try {
    const permission = await navigator.permissions.query({ name: 'clipboard-read' as PermissionName });
    return permission.state === 'granted';
  } catch {
    return false;
  }
}

function sendClipboard(text: string): void {
  lastShared = text;
  panelText.value = text;
  rfb?.clipboardPasteFrom(text);
}

function showPanel(show: boolean): void {
  panel.hidden = !show;
  panelButton.setAttribute('aria-expanded', String(show));
  document.body.classList.toggle('panel-open', show);
  if (show) panelText.focus();
  else rfb?.focus();
}

/** The browser asks for permission only when the user pressed something. */
async function openPanel(): Promise<void> {
  panelNote.textContent = '';
  showPanel(true);
  try {
    const text = await navigator.clipboard.readText();
    if (text !== '') sendClipboard(text);
    panelNote.textContent = 'The clipboards are shared from now on.';
  } catch {
    panelNote.textContent = 'Paste here what you want to use in the desktop.';
  }
}

window.addEventListener('focus', () => void offerClipboard());
screenElement.addEventListener('pointerenter', () => void offerClipboard());
panelButton.addEventListener('click', () => {
  if (panel.hidden) void openPanel();
  else showPanel(false);
});
element('clipboard-close').addEventListener('click', () => showPanel(false));
element('clipboard-send').addEventListener('click', () => {
  sendClipboard(panelText.value);
  showPanel(false);
});
panel.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') showPanel(false);
});

// --- full screen ---

const fullscreenButton = element<HTMLButtonElement>('fullscreen-button');
if (!document.fullscreenEnabled) fullscreenButton.hidden = true;
fullscreenButton.addEventListener('click', () => {
  void (document.fullscreenElement
    ? document.exitFullscreen()
    : document.documentElement.requestFullscreen());
});
document.addEventListener('fullscreenchange', () => {
  const on = document.fullscreenElement !== null;
  fullscreenButton.setAttribute('aria-pressed', String(on));
  fullscreenButton.textContent = on ? 'Leave full screen' : 'Full screen';
  rfb?.focus();
});

connect();
