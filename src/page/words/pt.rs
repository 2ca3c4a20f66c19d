//! The page in Portuguese.

use super::{Situation, Words};

pub(super) const WORDS: Words = Words {
    name: "Português",
    closed: Situation {
        heading: "Fechado para manutenção",
        what: "Estamos a trabalhar neste site e, por agora, não é possível usá-lo.",
        works: "Até terminarmos, nenhuma das suas páginas funciona. Não precisa de fazer nada.",
    },
    read_only: Situation {
        heading: "De momento só é possível ler",
        what: "Estamos a trabalhar neste site e nada pode ser alterado até terminarmos.",
        works: "Tudo o que é só de leitura funciona como habitualmente.",
    },
    hold: Situation {
        heading: "Está a demorar mais do que um momento",
        what: "Está em curso uma manutenção breve. O seu pedido não pôde esperar até ao fim.",
        works: "Contamos ter o site de volta muito em breve.",
    },
    safe: "O que guardou antes está seguro.",
    unsent: "O que acabou de enviar não foi executado nem guardado. Volte atrás: normalmente o seu texto ainda está no formulário. Envie-o de novo quando o site estiver aberto.",
    ends: "Fim previsto",
    endless: "Ainda não sabemos dizer quando terminará.",
    overdue: "Está a demorar mais do que o previsto. Continuamos a trabalhar nisto.",
    questions: "Perguntas?",
    reference: "Referência",
    checking: "Esta página verifica sozinha se o site já abriu e, nesse caso, abre-o.",
    watching: "Esta página verifica sozinha se o site já abriu e avisa.",
    checked: "Ainda não abriu. Última verificação:",
    unreachable: "Não foi possível verificar. Última tentativa:",
    stopped: "Esta página deixou de verificar sozinha.",
    reopened: "O site está aberto de novo. Volte atrás e envie outra vez.",
    check_now: "Verificar agora",
    stop: "Parar de verificar",
    back: "Voltar",
    by_hand: "Recarregue esta página para ver se o site já abriu.",
    languages: "Idiomas",
};
