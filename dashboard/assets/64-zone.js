// In which zone times are told: one's own, UTC, or one by which a calendar or an objective decides.
(function () {
  const milepost = window.milepost, viewer = milepost.viewer, make = milepost.make;
  const element = id => document.getElementById(id);
  // EST is known to those who read it, CET to others, and both are shorter than what is reckoned from Greenwich
  const called = (zone, locale) => new Intl.DateTimeFormat(locale, {timeZone: zone, timeZoneName: 'short'}).formatToParts().find(p => p.type === 'timeZoneName').value;
  const short = zone => ['en-US', 'en-GB', 'en-AU'].map(locale => called(zone, locale)).find(name => !/^GMT./.test(name)) || called(zone, 'en-GB');

  function entry(zone, label, told, stands) {
    return make('li', {}, make('button', {class: 'menu-item', 'aria-pressed': String(stands), onclick: () => viewer.choose(zone)},
      make('span', {class: 'strong', text: label}), make('span', {class: 'muted', text: told})));
  }
  function draw(items) {
    const others = items.filter(one => one.zone !== 'UTC');
    element('viewer-zones').replaceChildren(
      make('h3', {text: 'Times are told in'}),
      make('ul', {}, entry(null, 'My own zone', viewer.own, !viewer.chosen), entry('UTC', 'UTC', '', viewer.chosen === 'UTC')),
      ...(others.length ? [make('h3', {text: 'Where business is done'}), make('ul', {}, ...others.map(one => entry(one.zone, one.zone, one.titles.join(', '), viewer.chosen === one.zone)))] : []));
  }
  document.addEventListener('toggle', function (e) {
    if (!e.target.matches || !e.target.matches('details.zones') || !e.target.open) return;
    draw([]);
    fetch('/api/v1/zones').then(a => a.ok ? a.json() : {items: []}).then(found => draw(found.items)).catch(() => {});
  }, true);

  // it is there with the first thing that is drawn, and not after it
  new MutationObserver(function (_, observer) {
    const shown = element('viewer-zone');
    if (!shown) return;
    observer.disconnect();
    shown.textContent = short(viewer.zone);
    shown.closest('summary').title = 'Times are told in ' + viewer.zone;
  }).observe(document.documentElement, {childList: true, subtree: true});
  window.addEventListener('beforeprint', function () {
    const now = new Date().toISOString();
    element('printed').textContent = 'Printed ' + viewer.full(now) + '. Times are told in ' + viewer.zone + '.';
  });
})();
