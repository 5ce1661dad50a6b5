// The palette (Ctrl-K): arrows move through what was found, Enter opens it.
(function () {
  const found = () => [...document.querySelectorAll('#search-results a')];
  function choose(links, at) {
    links.forEach((a, i) => { a.id = 'found-' + i; a.setAttribute('aria-selected', i === at); });
    const text = document.getElementById('search-text');
    if (links[at]) { links[at].scrollIntoView({block: 'nearest'}); text.setAttribute('aria-activedescendant', links[at].id); }
    else text.removeAttribute('aria-activedescendant');
  }
  document.addEventListener('keydown', function (e) {
    if (!e.target || e.target.id !== 'search-text') return;
    const links = found(), at = links.findIndex(a => a.getAttribute('aria-selected') === 'true');
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault();
      choose(links, (at + (e.key === 'ArrowDown' ? 1 : links.length + (at < 0 ? 0 : -1))) % Math.max(1, links.length));
    } else if (e.key === 'Enter' && links.length) {
      e.preventDefault();
      links[Math.max(0, at)].click();
    }
  });
})();
