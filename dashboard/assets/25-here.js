// What only the browser knows: the address that this server is reached at, and what is copied from the page.
(function () {
  const root = () => location.origin + document.getElementById('milepost').dataset.prefix.replace(/\/dashboard\/$/, '');
  function tell() {
    document.querySelectorAll('[data-here]').forEach(function (e) {
      const told = root() + e.dataset.here;
      if (e.firstChild && e.firstChild.nodeValue !== told) e.firstChild.nodeValue = told;
    });
  }
  new MutationObserver(function () { if (document.querySelector('[data-here]')) tell(); })
    .observe(document.documentElement, {childList: true, subtree: true});

  document.addEventListener('click', function (e) {
    const button = e.target.closest && e.target.closest('[data-copy]');
    if (!button) return;
    const from = document.getElementById(button.dataset.copy), label = button.querySelector('span');
    const said = text => { if (label && label.firstChild) label.firstChild.nodeValue = text; setTimeout(() => { if (label && label.firstChild) label.firstChild.nodeValue = 'Copy'; }, 2000); };
    // outside of a secure context there is no clipboard: what is selected can be copied by hand
    const select = function () { getSelection().selectAllChildren(from); said('Selected'); };
    if (navigator.clipboard) navigator.clipboard.writeText(from.textContent).then(() => said('Copied'), select);
    else select();
  });
})();
