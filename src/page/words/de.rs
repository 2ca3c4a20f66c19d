//! The page in German.

use super::{Situation, Words};

pub(super) const WORDS: Words = Words {
    name: "Deutsch",
    closed: Situation {
        heading: "Wegen Wartung geschlossen",
        what: "Wir arbeiten gerade an dieser Website, deshalb ist sie im Moment nicht erreichbar.",
        works: "Bis wir fertig sind, funktioniert keine ihrer Seiten. Sie müssen nichts tun.",
    },
    read_only: Situation {
        heading: "Im Moment ist nur Lesen möglich",
        what: "Wir arbeiten gerade an dieser Website. Bis wir fertig sind, lässt sich nichts ändern.",
        works: "Alles, was nur gelesen wird, funktioniert wie gewohnt.",
    },
    hold: Situation {
        heading: "Das dauert länger als einen Augenblick",
        what: "Gerade läuft eine kurze Wartung. Ihre Anfrage konnte nicht bis zu deren Ende warten.",
        works: "Die Website ist voraussichtlich sehr bald wieder da.",
    },
    safe: "Was Sie bisher gespeichert haben, ist sicher.",
    unsent: "Was Sie gerade abgeschickt haben, wurde nicht ausgeführt und nicht gespeichert. Gehen Sie zurück: Ihr Text steht meist noch im Formular. Schicken Sie ihn noch einmal ab, wenn die Website wieder offen ist.",
    ends: "Voraussichtliches Ende",
    endless: "Wir können noch nicht sagen, wann wir fertig sind.",
    overdue: "Es dauert länger als geplant. Wir arbeiten weiter daran.",
    questions: "Fragen?",
    reference: "Referenz",
    checking: "Diese Seite prüft von selbst, ob die Website wieder offen ist, und öffnet sie dann.",
    watching: "Diese Seite prüft von selbst, ob die Website wieder offen ist, und sagt Ihnen Bescheid.",
    checked: "Noch nicht offen. Zuletzt geprüft:",
    unreachable: "Die Prüfung kam nicht durch. Zuletzt versucht:",
    stopped: "Diese Seite prüft nicht mehr von selbst.",
    reopened: "Die Website ist wieder offen. Gehen Sie zurück und schicken Sie es noch einmal ab.",
    check_now: "Jetzt prüfen",
    stop: "Nicht mehr prüfen",
    back: "Zurück",
    by_hand: "Laden Sie diese Seite neu, um zu sehen, ob die Website wieder offen ist.",
    languages: "Sprachen",
};
