//! The page in Dutch.

use super::{Situation, Words};

pub(super) const WORDS: Words = Words {
    name: "Nederlands",
    closed: Situation {
        heading: "Gesloten voor onderhoud",
        what: "We werken aan deze site, daarom is hij nu even niet te gebruiken.",
        works: "Tot we klaar zijn, werkt geen van de pagina’s. U hoeft niets te doen.",
    },
    read_only: Situation {
        heading: "Op dit moment kunt u alleen lezen",
        what: "We werken aan deze site. Tot we klaar zijn, kan er niets worden gewijzigd.",
        works: "Alles wat alleen gelezen wordt, werkt zoals gewoonlijk.",
    },
    hold: Situation {
        heading: "Dit duurt langer dan een ogenblik",
        what: "Er is kort onderhoud bezig. Uw verzoek kon niet wachten tot het klaar is.",
        works: "We verwachten dat de site heel snel terug is.",
    },
    safe: "Wat u eerder hebt opgeslagen, is veilig.",
    unsent: "Wat u zojuist hebt verzonden, is niet uitgevoerd en niet opgeslagen. Ga terug: meestal staat uw tekst nog in het formulier. Verzend die opnieuw als de site weer open is.",
    ends: "Verwacht einde",
    endless: "We kunnen nog niet zeggen wanneer we klaar zijn.",
    overdue: "Het duurt langer dan gepland. We werken er nog aan.",
    questions: "Vragen?",
    reference: "Referentie",
    checking: "Deze pagina controleert zelf of de site weer open is, en opent hem dan.",
    watching: "Deze pagina controleert zelf of de site weer open is, en laat het u weten.",
    checked: "Nog niet open. Laatst gecontroleerd:",
    unreachable: "De controle kwam niet door. Laatst geprobeerd:",
    stopped: "Deze pagina controleert niet meer vanzelf.",
    reopened: "De site is weer open. Ga terug en verzend het opnieuw.",
    check_now: "Nu controleren",
    stop: "Stoppen met controleren",
    back: "Ga terug",
    by_hand: "Laad deze pagina opnieuw om te zien of de site weer open is.",
    languages: "Talen",
};
