(() => {
  const d = document, mains = [...d.querySelectorAll("main[lang]")];
  let root, box, lang, timer, tries = 0, off = false, done = false;
  const part = (name) => root.querySelector("[data-" + name + "]");
  const show = (name, visible) => { const it = part(name); if (it) it.hidden = !visible; };
  const say = (text, timed) => {
    const at = timed ? " " + new Date().toLocaleTimeString(lang) : "";
    box.querySelector("[role=status]").textContent = text + at;
  };
  const ends = () => {
    const at = Date.parse(box.dataset.until), late = at <= Date.now(), local = part("local");
    show("end", at && !late);
    show("late", late);
    show("endless", !at);
    if (!at || !local) return;
    const time = part("end").querySelector("time");
    time.dateTime = box.dataset.until;
    time.textContent = new Date(at).toISOString().slice(0, 16).replace("T", " ") + " UTC";
    local.textContent = " (" + new Date(at).toLocaleString(lang, { weekday: "long", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" }) + ")";
  };
  const choose = () => {
    const asked = [location.hash.slice(1), ...(navigator.languages || [])];
    const first = asked.map((tag) => tag.toLowerCase().split("-")[0].replace("iw", "he"));
    root = mains.find((one) => one.lang === first.find((tag) => mains.some((main) => main.lang === tag))) || mains[0] || d.body;
    if (mains.length > 1) {
      for (const one of mains) { one.hidden = one !== root; one.className = one === root ? "on" : ""; }
      d.documentElement.lang = root.lang;
      d.documentElement.dir = root.dir;
      d.title = root.querySelector("h1").textContent;
    }
    box = part("roadworks");
    if (!box) return;
    lang = box.closest("[lang]").lang;
    box.hidden = false;
    show("by-hand", false);
    part("now").onclick = () => look(true);
    part("stop").onclick = () => {
      off = true;
      plan();
      say(box.dataset.stopped);
      part("now").focus();
      show("stop", false);
    };
    part("back").onclick = () => history.back();
    ends();
  };
  // The first look is at a random moment of a minute, so that those who came together do not ask together.
  const plan = () => {
    clearTimeout(timer);
    if (off || done || d.hidden) return;
    const wait = tries ? Math.min(20 * 1.5 ** tries, 120) * (0.7 + 0.6 * Math.random()) : 60 * Math.random();
    tries++;
    timer = setTimeout(look, 1000 * wait);
  };
  const opens = () => {
    done = true;
    // What was sent is never sent again by itself.
    if (box.dataset.sent === "no") return location.reload();
    if (box.dataset.sent === "unknown") return location.replace(location.pathname + location.search);
    say(box.dataset.reopened);
    show("back", history.length > 1);
    show("now", false);
    show("stop", false);
  };
  const look = async (byHand) => {
    clearTimeout(timer);
    const cut = new AbortController(), slow = setTimeout(() => cut.abort(), 10000);
    try {
      const answer = await fetch(box.dataset.look, { cache: "no-store", signal: cut.signal });
      const told = await answer.json();
      if (done) return;
      if (told.mode === "open" || (told.mode === "read-only" && box.dataset.sent !== "yes")) return opens();
      if (told.until !== undefined) box.dataset.until = told.until || "";
      ends();
      if (byHand === true) say(box.dataset.checked, true);
    } catch {
      if (byHand === true) say(box.dataset.unreachable, true);
    } finally {
      clearTimeout(slow);
      plan();
    }
  };
  choose();
  if (!box) return;
  setInterval(ends, 15000);
  addEventListener("hashchange", choose);
  d.addEventListener("visibilitychange", () => { tries = 0; plan(); });
  plan();
})();
