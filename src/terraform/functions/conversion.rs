//! Functions that convert. `sensitive` and `nonsensitive` pass their argument: what is secret is the evaluator's to know.

use super::arguments::{ANY, Answer, Arguments, Parameter, Signature};
use crate::terraform::convert;
use crate::terraform::convert::Mismatch;
use crate::terraform::value::Value;

const EVERYTHING: Parameter = ANY.nullable();

pub(super) const TABLE: &[Signature] = &[
    Signature::fixed("nonsensitive", &[EVERYTHING], |mut args| args.any()),
    Signature::fixed("sensitive", &[EVERYTHING], |mut args| args.any()),
    Signature::fixed("tobool", &[EVERYTHING], |args| converted(args, convert::to_bool)),
    Signature::fixed("tolist", &[EVERYTHING], |args| converted(args, convert::to_list)),
    Signature::fixed("tomap", &[EVERYTHING], |args| converted(args, convert::to_map)),
    Signature::fixed("tonumber", &[EVERYTHING], |args| converted(args, convert::to_number)),
    Signature::fixed("toset", &[EVERYTHING], |args| converted(args, convert::to_set)),
    Signature::fixed("tostring", &[EVERYTHING], |args| converted(args, convert::to_string)),
];

fn converted(mut args: Arguments<'_>, conversion: fn(&Value) -> Result<Value, Mismatch>) -> Answer {
    Ok(conversion(&args.any()?)?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, number, refused, text, unknown};
    use super::*;

    #[test]
    fn values_convert_and_nulls_pass() {
        assert_eq!(answer("tostring", [number("1.50")]), Ok(text("1.5")));
        assert_eq!(
            answer("tonumber", [text("0x10")]).is_err(),
            refused("tonumber", [text("0x10")])
        );
        assert_eq!(answer("tonumber", [Value::Null]), Ok(Value::Null));
        assert_eq!(
            answer("toset", [Value::Tuple(vec![text("a"), text("a")])]),
            Ok(Value::Set(vec![text("a")]))
        );
        assert!(refused("tomap", [Value::Tuple(vec![])]));
        assert!(refused("tolist", [text("a")]));
        assert_eq!(answer("sensitive", [text("a")]), Ok(text("a")));
        assert_eq!(answer("toset", [Value::Tuple(vec![unknown()])]), Ok(unknown()));
    }
}
