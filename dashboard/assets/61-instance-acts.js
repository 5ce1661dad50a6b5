// Acts on the page of one instance: those of the worklist, and taking apart what an event joined wrongly.
(function () {
  const milepost = window.milepost, make = milepost.make, field = milepost.field;
  const JOINS = {
    reject: {method: 'POST', verb: 'Take apart', lead: 'This event counts in no instance of the workflow any more, and what it had joined is by itself again. That can be taken back.'},
    accept: {method: 'DELETE', verb: 'Let it count again', lead: 'The event counts again, as if it arrived now, and joins what it joined before.'},
  };
  const words = input => input.value.trim().replace(/\s+/g, ' ');

  function join(word, said) {
    if (document.querySelector('dialog[open]')) return;
    const what = JOINS[word];
    const by = make('input', {name: 'by', required: true, maxlength: 200, autocomplete: 'name', value: milepost.ownName()});
    const why = make('textarea', {name: 'reason', rows: 2, maxlength: 1000, required: true});
    const told = make('p', {class: 'lead', text: what.lead, 'aria-live': 'polite'});
    const go = make('button', {type: 'submit', class: 'primary', text: what.verb});
    const close = make('button', {type: 'button', class: 'plain', text: 'Cancel', onclick: () => dialog.close()});
    const form = make('form', {method: 'dialog', onsubmit: submit},
      make('p', {class: 'about', text: said.title + ': ' + said.type + ' from ' + said.source + ' (' + said.event + ')'}),
      make('div', {class: 'fields one'}, field('Your name', by), field('Reason', why)), make('div', {class: 'review-foot'}, told, close, go));
    const dialog = make('dialog', {class: 'review incident-act', 'aria-labelledby': 'join-heading'}, make('h2', {id: 'join-heading', text: what.verb, tabindex: -1}), form);
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    (by.value ? why : by).focus();

    function submit(e) {
      e.preventDefault();
      milepost.keepName(words(by));
      go.disabled = true;
      told.textContent = 'Working …';
      fetch('/api/v1/instances/' + encodeURIComponent(said.id) + '/rejected-joins', {method: what.method, headers: {'content-type': 'application/json'},
        body: JSON.stringify({source: said.source, event: said.event, by: words(by), reason: words(why)})})
        .then(a => a.json().catch(() => ({})).then(body => ({ok: a.ok, body: body})))
        .then(function (answer) {
          go.disabled = false;
          if (answer.ok) { dialog.close(); return; }
          told.textContent = (answer.body.faults || answer.body.errors || []).map(f => f.message).join('; ') || answer.body.title || 'It was refused.';
          told.classList.add('refused');
        })
        .catch(function () {
          go.disabled = false;
          told.textContent = 'The connection was lost before an answer came. What is said of its keys shows whether it was done.';
        });
    }
  }

  document.addEventListener('click', function (e) {
    const on = e.target.closest('[data-instance-act], [data-join]');
    if (!on) return;
    if (on.dataset.join) join(on.dataset.join, JSON.parse(on.dataset.said));
    else milepost.review(on.dataset.instanceAct, [JSON.parse(on.closest('[data-item]').dataset.item)]);
  });
})();
