//! Where in a shell's text a replacement string stands. A mistake here can make a reference split into words, and never makes an input a command.

/// What surrounds a place in a shell's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Around {
    Nothing,
    SingleQuotes,
    DoubleQuotes,
    /// `$((…))` or `((…))`, in which a shell evaluates what a variable holds: bash runs the command in `a[$(command)]`.
    Arithmetic,
}

/// Reads a shell's text, and knows what surrounds its end.
#[derive(Debug)]
pub(super) struct Reader {
    /// From the outside in: `"$(` opens a new text in quotes.
    stack: Vec<Around>,
    is_escaped: bool,
    last: u8,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { stack: vec![Around::Nothing], is_escaped: false, last: 0 }
    }

    pub(super) fn around(&self) -> Around {
        match *self.stack {
            // Quotes make no difference there.
            [.., Around::Arithmetic, Around::SingleQuotes | Around::DoubleQuotes] => Around::Arithmetic,
            [.., around] => around,
            [] => Around::Nothing,
        }
    }

    pub(super) fn read(&mut self, text: &[u8]) {
        for byte in text {
            self.step(*byte);
            self.last = *byte;
        }
    }

    fn step(&mut self, byte: u8) {
        if std::mem::take(&mut self.is_escaped) {
            return;
        }
        let innermost = self.stack.last().copied().unwrap_or(Around::Nothing);
        match (innermost, byte) {
            (Around::SingleQuotes, b'\'') | (Around::DoubleQuotes, b'"') => {
                self.stack.pop();
            }
            (Around::SingleQuotes, _) => {}
            (_, b'\\') => self.is_escaped = true,
            (Around::Nothing | Around::Arithmetic, b'\'') => self.stack.push(Around::SingleQuotes),
            (Around::Nothing | Around::Arithmetic, b'"') => self.stack.push(Around::DoubleQuotes),
            (Around::Nothing, b'(') if self.last == b'(' => {
                self.stack.pop();
                self.stack.extend([Around::Arithmetic, Around::Arithmetic]);
            }
            (Around::Arithmetic, b'(') if self.last != b'$' => self.stack.push(Around::Arithmetic),
            (Around::Nothing | Around::Arithmetic, b'(') => self.stack.push(Around::Nothing),
            (Around::DoubleQuotes, b'(') if self.last == b'$' => self.stack.push(Around::Nothing),
            (Around::Nothing | Around::Arithmetic, b')') if self.stack.len() > 1 => {
                self.stack.pop();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_nest_as_in_a_shell() {
        let check = |text: &str, expected: Around| {
            let mut reader = Reader::new();
            reader.read(text.as_bytes());
            assert_eq!(reader.around(), expected, "{text}");
        };
        check("echo ", Around::Nothing);
        check("echo '", Around::SingleQuotes);
        check("echo 'a\\' ", Around::Nothing);
        check("echo \"a\\\"", Around::DoubleQuotes);
        check("echo \"$(ls ", Around::Nothing);
        check("echo \"$(ls) ", Around::DoubleQuotes);
        check("echo \\' ", Around::Nothing);
        check("echo $((", Around::Arithmetic);
        check("echo $((1 + (2 * ", Around::Arithmetic);
        check("echo $((1 + (2 * 3) ", Around::Arithmetic);
        check("echo $((1 + (2 * 3))) ", Around::Nothing);
        check("echo $((1 + \"", Around::Arithmetic);
        check("echo \"$((1 + 2)) ", Around::DoubleQuotes);
        check("echo $((1 + $(echo ", Around::Nothing);
        check("echo $((1 + $(echo 1) ", Around::Arithmetic);
        check("(( ", Around::Arithmetic);
        check("( (", Around::Nothing);
    }
}
