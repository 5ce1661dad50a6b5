// Who looks: the zone that times are told in, and how dates, numbers and money are spelled. The server draws by it
// (viewer.py) and learns it from a cookie, which is there before the first question: nothing is drawn twice.
(function () {
  const CHOICE = 'milepost.zone', COOKIE = 'milepost_viewer';
  const own = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  function known(zone) {
    try { return Boolean(zone && Intl.DateTimeFormat('en', {timeZone: zone})); } catch (e) { return false; }
  }
  function spelling() {
    try { return Intl.getCanonicalLocales(navigator.language)[0]; } catch (e) { return 'en'; }
  }
  function chosen() {      // null is one's own
    try { const zone = localStorage.getItem(CHOICE); return known(zone) ? zone : null; } catch (e) { return null; }
  }
  const base = new URL('..', document.currentScript.src).pathname;
  const locale = spelling(), zone = chosen() || own();
  // as viewer.py: digits are the latin ones in every locale
  const latin = locale + '-u-nu-latn';
  const two = n => String(n).padStart(2, '0');
  const viewer = window.milepostViewer = {zone: zone, own: own(), chosen: chosen(), locale: locale};
  document.cookie = COOKIE + '=' + encodeURIComponent(zone + '|' + locale) + '; path=' + base + '; max-age=31536000; samesite=strict' + (location.protocol === 'https:' ? '; secure' : '');

  // tick by tick these are asked for again and again, and to make a format is slow
  const days = new Intl.DateTimeFormat(latin, {timeZone: zone, day: 'numeric', month: 'short'});
  const clocks = new Intl.DateTimeFormat(latin, {timeZone: zone, timeStyle: 'short'});
  const full = new Intl.DateTimeFormat(latin, {timeZone: zone, year: 'numeric', month: 'short', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric', timeZoneName: 'short'});
  const parts = new Intl.DateTimeFormat('en-u-ca-gregory', {timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric'});
  const numbers = new Intl.NumberFormat(latin, {useGrouping: 'always', maximumFractionDigits: 0});
  const shares = new Intl.NumberFormat(latin, {style: 'percent', maximumFractionDigits: 0});
  const monies = {};
  viewer.moment = text => { const at = new Date(text); return days.format(at) + ' ' + clocks.format(at); };      // as wording.short_instant
  viewer.full = text => full.format(new Date(text));
  viewer.count = n => numbers.format(n);
  viewer.percent = share => shares.format(share);      // as viewer.py
  viewer.money = function (value) {
    const currency = value.currency;
    try {
      monies[currency] = monies[currency] || new Intl.NumberFormat(latin, {style: 'currency', currency: currency, maximumFractionDigits: 0, useGrouping: 'always'});
      return monies[currency].format(value.amount);
    } catch (e) {
      return currency + ' ' + numbers.format(Math.round(value.amount));
    }
  };

  // --- what the clocks of the zone show, and back
  function shown(at) {
    const p = Object.fromEntries(parts.formatToParts(at).map(one => [one.type, Number(one.value)]));
    return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second);
  }
  viewer.local = function (at) {
    const there = new Date(shown(at));
    return there.getUTCFullYear() + '-' + two(there.getUTCMonth() + 1) + '-' + two(there.getUTCDate()) + 'T' + two(there.getUTCHours()) + ':' + two(there.getUTCMinutes());
  };
  viewer.instant = function (text) {      // where clocks show it twice, the first; where never, as much later
    const wanted = Date.parse(text.trim().replace(' ', 'T').replace(/Z$/, '') + 'Z');
    if (isNaN(wanted)) return null;
    const around = [wanted - 86400000, wanted + 86400000].map(at => wanted - (shown(new Date(at)) - at));
    const exact = around.filter(at => shown(new Date(at)) === wanted);
    return new Date(exact.length ? Math.min(...exact) : around[0]);
  };

  viewer.choose = function (name) {
    try { if (name) localStorage.setItem(CHOICE, name); else localStorage.removeItem(CHOICE); } catch (e) { /* private windows keep nothing */ }
    location.reload();
  };
  window.addEventListener('storage', e => { if (e.key === CHOICE && chosen() !== viewer.chosen) location.reload(); });

  // what plotly calls months and days
  const names = (from, how) => from.map(at => new Intl.DateTimeFormat(latin, {timeZone: 'UTC', ...how}).format(at));
  const months = Array.from({length: 12}, (_, i) => Date.UTC(2026, i, 15)), week = Array.from({length: 7}, (_, i) => Date.UTC(2026, 10, 1 + i));
  (window.PlotlyLocales = window.PlotlyLocales || []).push({moduleType: 'locale', name: 'viewer', dictionary: {}, format: {
    days: names(week, {weekday: 'long'}), shortDays: names(week, {weekday: 'short'}),
    months: names(months, {month: 'long'}), shortMonths: names(months, {month: 'short'}),
  }});
})();
