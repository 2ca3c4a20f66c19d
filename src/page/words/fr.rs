//! The page in French.

use super::{Situation, Words};

pub(super) const WORDS: Words = Words {
    name: "Français",
    closed: Situation {
        heading: "Fermé pour maintenance",
        what: "Nous travaillons sur ce site : il n’est pas utilisable pour le moment.",
        works: "D’ici là, aucune de ses pages ne fonctionne. Vous n’avez rien à faire.",
    },
    read_only: Situation {
        heading: "Seule la lecture est possible pour le moment",
        what: "Nous travaillons sur ce site : rien ne peut être modifié tant que nous n’avons pas terminé.",
        works: "Tout ce qui se consulte fonctionne comme d’habitude.",
    },
    hold: Situation {
        heading: "C’est un peu plus long que prévu",
        what: "Une courte maintenance est en cours. Votre demande n’a pas pu attendre qu’elle se termine.",
        works: "Le site devrait revenir très bientôt.",
    },
    safe: "Ce que vous aviez enregistré est en sécurité.",
    unsent: "Ce que vous venez d’envoyer n’a été ni exécuté ni enregistré. Revenez en arrière : votre texte est en général encore dans le formulaire. Envoyez-le de nouveau quand le site sera rouvert.",
    ends: "Fin prévue",
    endless: "Nous ne pouvons pas encore dire quand ce sera terminé.",
    overdue: "Cela prend plus de temps que prévu. Nous y travaillons toujours.",
    questions: "Des questions ?",
    reference: "Référence",
    checking: "Cette page vérifie elle-même si le site est rouvert, puis l’ouvre.",
    watching: "Cette page vérifie elle-même si le site est rouvert et vous prévient.",
    checked: "Pas encore rouvert. Dernière vérification :",
    unreachable: "La vérification n’a pas abouti. Dernier essai :",
    stopped: "Cette page ne vérifie plus d’elle-même.",
    reopened: "Le site est rouvert. Revenez en arrière et envoyez de nouveau.",
    check_now: "Vérifier maintenant",
    stop: "Ne plus vérifier",
    back: "Retour",
    by_hand: "Rechargez cette page pour voir si le site est rouvert.",
    languages: "Langues",
};
