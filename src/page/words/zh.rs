//! The page in Chinese.

use super::{Situation, Words};

pub(super) const WORDS: Words = Words {
    name: "中文",
    closed: Situation {
        heading: "网站维护中",
        what: "我们正在维护本网站，目前无法使用。",
        works: "维护结束之前，所有页面都无法使用。您无需进行任何操作。",
    },
    read_only: Situation {
        heading: "目前只能浏览",
        what: "我们正在维护本网站，维护结束之前无法进行任何更改。",
        works: "仅供浏览的内容可照常使用。",
    },
    hold: Situation {
        heading: "所需时间比预想的稍长",
        what: "正在进行短时间维护。您的请求无法等到维护结束。",
        works: "网站预计很快恢复。",
    },
    safe: "您之前保存的内容是安全的。",
    unsent: "您刚才提交的内容没有被执行，也没有被保存。请返回上一页：您填写的内容通常还在表单中。请在网站恢复后重新提交。",
    ends: "预计结束时间",
    endless: "目前还无法告知何时结束。",
    overdue: "所需时间比计划的长，我们仍在处理。",
    questions: "有疑问？",
    reference: "参考编号",
    checking: "本页会自动检查网站是否已恢复，恢复后会自动打开。",
    watching: "本页会自动检查网站是否已恢复，并通知您。",
    checked: "尚未恢复。上次检查：",
    unreachable: "检查未能完成。上次尝试：",
    stopped: "本页已停止自动检查。",
    reopened: "网站已恢复。请返回上一页并重新提交。",
    check_now: "立即检查",
    stop: "停止检查",
    back: "返回上一页",
    by_hand: "请重新加载本页，查看网站是否已恢复。",
    languages: "语言",
};
