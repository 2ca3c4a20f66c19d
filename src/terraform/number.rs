//! Terraform's numbers.

/// A number with 512 bits of precision, as Terraform's `big.Float`.
#[derive(Debug, Clone, PartialEq)]
pub struct Number(dashu_float::FBig<dashu_float::round::mode::HalfEven, 2>);
