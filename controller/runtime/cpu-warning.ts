const HIGH_PERCENT = 90;
const CALM_PERCENT = 80;
/** Measurements in a row that it takes to change the mind: a compiler at work is no trouble. */
const IN_A_ROW = 3;

/** Whether the host's CPU has been busy for a while (R7.4): a warning that does not flutter. */
export class CpuWarning {
  private warning = false;
  private against = 0;

  /** @returns whether there is a warning, after one more measurement */
  next(cpuPercent: number): boolean {
    const disagrees = this.warning ? cpuPercent < CALM_PERCENT : cpuPercent >= HIGH_PERCENT;
    this.against = disagrees ? this.against + 1 : 0;
    if (this.against >= IN_A_ROW) {
      this.warning = !this.warning;
      this.against = 0;
    }
    return this.warning;
  }
}
