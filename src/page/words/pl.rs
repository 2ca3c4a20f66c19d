//! The page in Polish.

use super::{Situation, Words};

pub(super) const WORDS: Words = Words {
    name: "Polski",
    closed: Situation {
        heading: "Przerwa techniczna",
        what: "Pracujemy nad tą stroną i na razie nie można z niej korzystać.",
        works: "Dopóki nie skończymy, żadna jej część nie działa. Nie trzeba nic robić.",
    },
    read_only: Situation {
        heading: "Na razie możliwe jest tylko czytanie",
        what: "Pracujemy nad tą stroną i dopóki nie skończymy, niczego nie można zmieniać.",
        works: "Wszystko, co służy tylko do czytania, działa jak zwykle.",
    },
    hold: Situation {
        heading: "To trwa dłużej niż chwilę",
        what: "Trwa krótka przerwa techniczna. Twoje żądanie nie mogło czekać do jej końca.",
        works: "Strona powinna wrócić bardzo szybko.",
    },
    safe: "To, co zapisano wcześniej, jest bezpieczne.",
    unsent: "To, co właśnie wysłano, nie zostało wykonane ani zapisane. Wróć do poprzedniej strony: tekst zwykle jest jeszcze w formularzu. Wyślij go ponownie, gdy strona znów będzie działać.",
    ends: "Przewidywany koniec",
    endless: "Nie wiemy jeszcze, kiedy skończymy.",
    overdue: "Trwa to dłużej, niż planowaliśmy. Nadal nad tym pracujemy.",
    questions: "Pytania?",
    reference: "Numer zgłoszenia",
    checking: "Ta strona sama sprawdza, czy witryna znów działa, i wtedy ją otwiera.",
    watching: "Ta strona sama sprawdza, czy witryna znów działa, i o tym informuje.",
    checked: "Jeszcze nie działa. Ostatnio sprawdzono:",
    unreachable: "Nie udało się sprawdzić. Ostatnia próba:",
    stopped: "Ta strona nie sprawdza już sama.",
    reopened: "Witryna znów działa. Wróć i wyślij jeszcze raz.",
    check_now: "Sprawdź teraz",
    stop: "Nie sprawdzaj więcej",
    back: "Wróć",
    by_hand: "Odśwież tę stronę, aby zobaczyć, czy witryna znów działa.",
    languages: "Języki",
};
