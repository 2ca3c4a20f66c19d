//! Answers, as they are written in RESP2 and in RESP3.

/// Which version a connection speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resp {
    /// What every connection begins with.
    #[default]
    Two,
    /// After `HELLO 3`.
    Three,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No text.
    Nil,
    /// No list: another thing than no text in RESP2, the same in RESP3.
    NilList,
    /// A number.
    Number(i64),
    /// `+OK`
    Status(&'static str),
    /// `-ERR ..`, on one line.
    Error(String),
    /// Bytes.
    Text(Vec<u8>),
    /// Values in order.
    List(Vec<Value>),
    /// Values in any order; a list in RESP2.
    Set(Vec<Value>),
    /// Pairs; a list of twice as many in RESP2.
    Map(Vec<(Value, Value)>),
    /// What nobody asked for; a list in RESP2.
    Push(Vec<Value>),
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<[u8]>) -> Value {
        Value::Text(text.as_ref().to_vec())
    }

    /// As it is sent.
    pub fn encoded(&self, version: Resp) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(version, &mut bytes);
        bytes
    }

    /// Puts it behind what is in `bytes`.
    pub fn write(&self, version: Resp, bytes: &mut Vec<u8>) {
        let line = |first: &str, text: &str, bytes: &mut Vec<u8>| {
            bytes.extend_from_slice(first.as_bytes());
            // What a client sent is in some errors: it must not end the line.
            bytes.extend(
                text.bytes().map(|byte| if byte == b'\r' || byte == b'\n' { b' ' } else { byte }),
            );
            bytes.extend_from_slice(b"\r\n");
        };
        let is_three = version == Resp::Three;
        match self {
            Value::Nil => line(if is_three { "_" } else { "$-1" }, "", bytes),
            Value::NilList => line(if is_three { "_" } else { "*-1" }, "", bytes),
            Value::Number(number) => line(":", &number.to_string(), bytes),
            Value::Status(text) => line("+", text, bytes),
            Value::Error(text) => line("-", text, bytes),
            Value::Text(text) => {
                line("$", &text.len().to_string(), bytes);
                bytes.extend_from_slice(text);
                bytes.extend_from_slice(b"\r\n");
            }
            Value::List(items) | Value::Set(items) | Value::Push(items) => {
                let first = match self {
                    Value::Set(_) if is_three => "~",
                    Value::Push(_) if is_three => ">",
                    _ => "*",
                };
                line(first, &items.len().to_string(), bytes);
                for item in items {
                    item.write(version, bytes);
                }
            }
            Value::Map(pairs) => {
                let count = if is_three { pairs.len() } else { pairs.len() * 2 };
                line(if is_three { "%" } else { "*" }, &count.to_string(), bytes);
                for (key, value) in pairs {
                    key.write(version, bytes);
                    value.write(version, bytes);
                }
            }
        }
    }
}
