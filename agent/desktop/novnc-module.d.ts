/** The part of noVNC's interface that the desktop's page uses; the package brings no types. */
declare module '@novnc/novnc' {
  export default class RFB extends EventTarget {
    constructor(target: HTMLElement, url: string, options?: { shared?: boolean; wsProtocols?: string[] });
    scaleViewport: boolean;
    resizeSession: boolean;
    background: string;
    qualityLevel: number;
    compressionLevel: number;
    showDotCursor: boolean;
    focus(options?: FocusOptions): void;
    disconnect(): void;
    clipboardPasteFrom(text: string): void;
  }
}
