//! Functions of address blocks, IPv4 and IPv6.

use std::net::{Ipv4Addr, Ipv6Addr};

use dashu_int::IBig;

use super::arguments::{Answer, Arguments, Failure, NUMBER, Signature, TEXT};
use crate::terraform::value::Value;

pub(super) const TABLE: &[Signature] = &[
    Signature::fixed("cidrhost", &[TEXT, NUMBER], host),
    Signature::fixed("cidrnetmask", &[TEXT], netmask),
    Signature::fixed("cidrsubnet", &[TEXT, NUMBER, NUMBER], subnet),
    Signature::open("cidrsubnets", &[TEXT], NUMBER, subnets),
];

/// A block: its first address, how many bits of it are fixed, and how many an address has.
#[derive(Debug, Clone, Copy)]
struct Block {
    first: u128,
    fixed: u32,
    bits: u32,
}

impl Block {
    /// Bits of the host part are cleared. A zero before an octet is passed over, as Terraform does.
    fn read(text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::from("an address block like 10.0.0.0/16 is required");
        let (address, fixed) = text.split_once('/').ok_or_else(wrong)?;
        if fixed.is_empty() || fixed.len() > 3 || !fixed.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let fixed: u32 = fixed.parse().map_err(|_no_number| wrong())?;
        let (address, bits) = if address.contains(':') {
            let address: Ipv6Addr = address.parse().map_err(|_no_address| wrong())?;
            if address.to_ipv4_mapped().is_some() {
                return Err("an IPv4 address inside IPv6 is not supported".into());
            }
            (u128::from(address), 128)
        } else {
            let octets: Vec<&str> = address.split('.').map(without_zeros).collect();
            let address: Ipv4Addr = octets.join(".").parse().map_err(|_no_address| wrong())?;
            (u128::from(u32::from(address)), 32)
        };
        if fixed > bits {
            return Err(wrong());
        }
        let free = bits - fixed;
        let first = address.checked_shr(free).unwrap_or(0).checked_shl(free).unwrap_or(0);
        Ok(Self { first, fixed, bits })
    }

    fn address(self, address: u128) -> Result<String, Failure> {
        if self.bits == 32 {
            let address =
                u32::try_from(address).map_err(|_too_far| "the address lies outside its family")?;
            return Ok(Ipv4Addr::from(address).to_string());
        }
        let address = Ipv6Addr::from(address);
        if address.to_ipv4_mapped().is_some() {
            return Err("an IPv4 address inside IPv6 is not supported".into());
        }
        Ok(address.to_string())
    }

    fn print(self) -> Answer {
        Ok(Value::String(format!("{}/{}", self.address(self.first)?, self.fixed)))
    }
}

fn without_zeros(octet: &str) -> &str {
    let trimmed = octet.trim_start_matches('0');
    if trimmed.is_empty() && !octet.is_empty() { "0" } else { trimmed }
}

/// How many numbers so many bits can hold.
fn room(bits: u32) -> IBig {
    IBig::ONE << usize::try_from(bits).unwrap_or(128)
}

/// The host of that number, counted from the end if negative.
fn host(mut args: Arguments<'_>) -> Answer {
    let block = Block::read(&args.text()?)?;
    let wanted = args.number()?.to_integer().ok_or("a whole number is required")?;
    let room = room(block.bits - block.fixed);
    let place = if wanted < IBig::ZERO { &room + wanted } else { wanted };
    if place < IBig::ZERO || place >= room {
        return Err("the block has no such host".into());
    }
    let place = u128::try_from(place).map_err(|_too_far| "the block has no such host")?;
    Ok(Value::String(block.address(block.first | place)?))
}

fn netmask(mut args: Arguments<'_>) -> Answer {
    let block = Block::read(&args.text()?)?;
    if block.bits != 32 {
        return Err("an IPv6 block has no netmask".into());
    }
    let mask = u32::MAX.checked_shl(32 - block.fixed).unwrap_or(0);
    Ok(Value::String(Ipv4Addr::from(mask).to_string()))
}

fn subnet(mut args: Arguments<'_>) -> Answer {
    let block = Block::read(&args.text()?)?;
    let (more, number) = (args.whole()?, args.number()?);
    let more = u32::try_from(more).map_err(|_negative| "the prefix can only be extended")?;
    let fixed = block.fixed.checked_add(more).filter(|fixed| *fixed <= block.bits);
    let fixed = fixed.ok_or("the block is too small for that many bits")?;
    let number = number.to_integer().ok_or("a whole number is required")?;
    if number < IBig::ZERO || number >= room(more) {
        return Err("the extension has no such subnet".into());
    }
    let number = u128::try_from(number).map_err(|_too_far| "the extension has no such subnet")?;
    let first = block.first | number.checked_shl(block.bits - fixed).unwrap_or(0);
    Block { first, fixed, ..block }.print()
}

/// One behind the other, each starting where its size allows.
fn subnets(mut args: Arguments<'_>) -> Answer {
    let block = Block::read(&args.text()?)?;
    let mut found = Vec::new();
    // The number of the first address that is still free, counted from the block's first.
    let mut free = IBig::ZERO;
    for more in args.numbers()? {
        let more = more.to_i64().ok_or("a whole number is required")?;
        let more = u32::try_from(more).ok().filter(|more| (1..=32).contains(more));
        let more = more.ok_or("each prefix is extended by 1 to 32 bits")?;
        let fixed = block.fixed.checked_add(more).filter(|fixed| *fixed <= block.bits);
        let fixed = fixed.ok_or("the block is too small for that many bits")?;
        let size = room(block.bits - fixed);
        let start: IBig = (free + &size - IBig::ONE) / &size * &size;
        free = &start + size;
        if free > room(block.bits - block.fixed) {
            return Err("the block has not enough addresses left".into());
        }
        let start =
            u128::try_from(start).map_err(|_too_far| "the block has not enough addresses left")?;
        found.push(Block { first: block.first | start, fixed, ..block }.print()?);
    }
    Ok(Value::List(found))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, number, refused, text, texts};
    use super::*;

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn hosts_are_counted_from_either_end() {
        for (block, host, address) in [
            ("10.12.112.0/20", "16", "10.12.112.16"),
            ("10.12.112.0/20", "-1", "10.12.127.255"),
            ("10.0.0.5/30", "0", "10.0.0.4"),
            ("010.0.0.0/8", "1", "10.0.0.1"),
            ("fd00:fd12:3456:7890::/72", "34", "fd00:fd12:3456:7890::22"),
            ("fd00::/64", "18446744073709551615", "fd00::ffff:ffff:ffff:ffff"),
        ] {
            assert_eq!(answer("cidrhost", [text(block), number(host)]), Ok(text(address)));
        }
        for (block, host) in [
            ("10.0.0.0/30", "4"),
            ("10.0.0.0/30", "-5"),
            ("10.0.0.0", "0"),
            ("10.0.0.0/33", "0"),
            ("10.0.0.0/8", "1.5"),
        ] {
            assert!(refused("cidrhost", [text(block), number(host)]), "{block} {host}");
        }
    }

    #[test]
    fn blocks_are_cut_into_subnets() {
        for (block, more, place, cut) in [
            ("172.16.0.0/12", "4", "2", "172.18.0.0/16"),
            ("fd00:fd12:3456:7890::/56", "16", "162", "fd00:fd12:3456:7800:a200::/72"),
            ("10.0.0.0/8", "0", "0", "10.0.0.0/8"),
            ("::/0", "64", "1", "0:0:0:1::/64"),
            ("0.0.0.0/0", "32", "4294967295", "255.255.255.255/32"),
        ] {
            assert_eq!(
                answer("cidrsubnet", [text(block), number(more), number(place)]),
                Ok(text(cut))
            );
        }
        assert!(refused("cidrsubnet", [text("10.1.2.240/28"), number("1"), number("3")]));
        assert!(refused("cidrsubnet", [text("10.1.2.240/28"), number("10"), number("3")]));
        let row = ["4", "4", "8", "4"].map(number);
        let [a, b, c, d] = row;
        let cut = answer("cidrsubnets", [text("10.1.0.0/16"), a, b, c, d]);
        assert_eq!(
            cut,
            Ok(Value::List(texts(&[
                "10.1.0.0/20",
                "10.1.16.0/20",
                "10.1.32.0/24",
                "10.1.48.0/20"
            ])))
        );
        assert!(refused(
            "cidrsubnets",
            [text("10.1.0.0/16"), number("1"), number("1"), number("1")]
        ));
        assert_eq!(answer("cidrnetmask", [text("172.16.0.0/12")]), Ok(text("255.240.0.0")));
        assert!(refused("cidrnetmask", [text("fd00::/64")]));
    }
}
