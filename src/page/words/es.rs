//! The page in Spanish.

use super::{Situation, Words};

pub(super) const WORDS: Words = Words {
    name: "Español",
    closed: Situation {
        heading: "Cerrado por mantenimiento",
        what: "Estamos trabajando en este sitio y por ahora no se puede usar.",
        works: "Hasta que terminemos, ninguna de sus páginas funciona. No tiene que hacer nada.",
    },
    read_only: Situation {
        heading: "Por ahora solo se puede leer",
        what: "Estamos trabajando en este sitio y no se puede cambiar nada hasta que terminemos.",
        works: "Todo lo que es solo de lectura funciona como siempre.",
    },
    hold: Situation {
        heading: "Está tardando más que un momento",
        what: "Hay un mantenimiento breve en curso. Su solicitud no ha podido esperar hasta que termine.",
        works: "Esperamos que el sitio vuelva muy pronto.",
    },
    safe: "Lo que guardó antes está a salvo.",
    unsent: "Lo que acaba de enviar no se ha ejecutado ni guardado. Vuelva atrás: normalmente su texto sigue en el formulario. Envíelo de nuevo cuando el sitio esté abierto.",
    ends: "Fin previsto",
    endless: "Todavía no podemos decir cuándo terminará.",
    overdue: "Está tardando más de lo previsto. Seguimos trabajando en ello.",
    questions: "¿Preguntas?",
    reference: "Referencia",
    checking: "Esta página comprueba sola si el sitio ya está abierto y entonces lo abre.",
    watching: "Esta página comprueba sola si el sitio ya está abierto y se lo dice.",
    checked: "Aún no está abierto. Última comprobación:",
    unreachable: "La comprobación no ha llegado. Último intento:",
    stopped: "Esta página ya no comprueba sola.",
    reopened: "El sitio está abierto de nuevo. Vuelva atrás y envíelo otra vez.",
    check_now: "Comprobar ahora",
    stop: "Dejar de comprobar",
    back: "Volver atrás",
    by_hand: "Vuelva a cargar esta página para ver si el sitio ya está abierto.",
    languages: "Idiomas",
};
