/**
 * Focuses another element after an action by keyboard that has removed or disabled the pressed button. Call it when the
 * page has been rendered again. After a click, this function does nothing, because focusing a field would open the
 * keyboard of a phone.
 *
 * @param event the event of the button.
 * @param selectors of the elements; the first one in the page that can be focused gets the focus.
 */
export function moveFocus(event: Event, ...selectors: readonly string[]): void {
  // A click by keyboard has the `detail` 0.
  if (!(event instanceof UIEvent) || event.detail !== 0) return;
  for (const selector of selectors) {
    const element = document.querySelector<HTMLElement>(selector);
    if (element === null || element.matches(':disabled')) continue;
    element.focus();
    return;
  }
}
