//! The page in Italian.

use super::{Situation, Words};

pub(super) const WORDS: Words = Words {
    name: "Italiano",
    closed: Situation {
        heading: "Chiuso per manutenzione",
        what: "Stiamo lavorando a questo sito, che al momento non si può usare.",
        works: "Finché non abbiamo finito, nessuna delle sue pagine funziona. Non deve fare nulla.",
    },
    read_only: Situation {
        heading: "Al momento è possibile solo leggere",
        what: "Stiamo lavorando a questo sito e non si può modificare nulla finché non abbiamo finito.",
        works: "Tutto ciò che è di sola lettura funziona come al solito.",
    },
    hold: Situation {
        heading: "Ci vuole più di un momento",
        what: "È in corso una breve manutenzione. La sua richiesta non ha potuto attendere che finisse.",
        works: "Contiamo di riavere il sito molto presto.",
    },
    safe: "Ciò che ha salvato in precedenza è al sicuro.",
    unsent: "Ciò che ha appena inviato non è stato eseguito né salvato. Torni indietro: di solito il testo è ancora nel modulo. Lo invii di nuovo quando il sito sarà aperto.",
    ends: "Fine prevista",
    endless: "Non possiamo ancora dire quando finirà.",
    overdue: "Ci vuole più tempo del previsto. Ci stiamo ancora lavorando.",
    questions: "Domande?",
    reference: "Riferimento",
    checking: "Questa pagina controlla da sola se il sito è di nuovo aperto e in tal caso lo apre.",
    watching: "Questa pagina controlla da sola se il sito è di nuovo aperto e lo segnala.",
    checked: "Non è ancora aperto. Ultimo controllo:",
    unreachable: "Il controllo non è riuscito. Ultimo tentativo:",
    stopped: "Questa pagina non controlla più da sola.",
    reopened: "Il sito è di nuovo aperto. Torni indietro e invii ancora una volta.",
    check_now: "Controlla ora",
    stop: "Smetti di controllare",
    back: "Torna indietro",
    by_hand: "Ricarichi questa pagina per vedere se il sito è di nuovo aperto.",
    languages: "Lingue",
};
