//! Where in a shell's text a replacement string stands. A mistake here can make a reference split into words, and never makes an input a command.

use std::collections::VecDeque;

/// What surrounds a place in a shell's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Around {
    Nothing,
    SingleQuotes,
    DoubleQuotes,
    /// `$((…))` or `((…))`, in which a shell evaluates what a variable holds: bash runs the command in `a[$(command)]`.
    Arithmetic,
    /// What `<<` begins: quotes are only characters there.
    HereDocument,
    /// The same, where nothing is expanded, since the word behind `<<` is quoted.
    RawHereDocument,
}

/// What ends a here-document.
#[derive(Debug, Default)]
struct Delimiter {
    word: Vec<u8>,
    is_quoted: bool,
    /// The quote that is open in the word.
    quote: Option<u8>,
    /// `<<-`: tabs may stand before it.
    may_be_indented: bool,
}

/// Reads a shell's text, and knows what surrounds its end.
#[derive(Debug)]
pub(super) struct Reader {
    /// From the outside in: `"$(` opens a new text in quotes.
    stack: Vec<Around>,
    is_escaped: bool,
    last: u8,
    /// What is being read behind `<<`.
    delimiter: Option<Delimiter>,
    /// Here-documents, in the order in which they begin with the next line; the first is the one that is being read.
    documents: VecDeque<Delimiter>,
    /// What has been read of the line, inside of one.
    line: Vec<u8>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            stack: vec![Around::Nothing],
            is_escaped: false,
            last: 0,
            delimiter: None,
            documents: VecDeque::new(),
            line: Vec::new(),
        }
    }

    pub(super) fn around(&self) -> Around {
        match *self.stack {
            // Quotes make no difference there.
            [.., Around::Arithmetic, Around::SingleQuotes | Around::DoubleQuotes] => Around::Arithmetic,
            [.., around] => around,
            [] => Around::Nothing,
        }
    }

    /// Whether a backslash stands before what comes next, which is none of the text: it escapes nothing then.
    pub(super) fn take_escape(&mut self) -> bool {
        std::mem::take(&mut self.is_escaped)
    }

    pub(super) fn read(&mut self, text: &[u8]) {
        for byte in text {
            self.step(*byte);
            self.last = *byte;
        }
    }

    fn step(&mut self, byte: u8) {
        if matches!(self.around(), Around::HereDocument | Around::RawHereDocument) {
            return self.step_in_document(byte);
        }
        if self.delimiter.is_some() && self.step_in_delimiter(byte) {
            return;
        }
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
            (Around::Nothing, b'<') if self.last == b'<' => self.delimiter = Some(Delimiter::default()),
            (Around::Nothing, b'\n') => self.begin_document(),
            _ => {}
        }
    }

    /// Reads the word behind `<<`; false where this byte is behind it.
    fn step_in_delimiter(&mut self, byte: u8) -> bool {
        let Some(delimiter) = &mut self.delimiter else { return false };
        match byte {
            _ if delimiter.quote == Some(byte) => delimiter.quote = None,
            _ if delimiter.quote.is_some() => delimiter.word.push(byte),
            b'<' if delimiter.word.is_empty() => self.delimiter = None,
            b'-' if delimiter.word.is_empty() && self.last == b'<' => delimiter.may_be_indented = true,
            b' ' | b'\t' if delimiter.word.is_empty() => {}
            b'\'' | b'"' => (delimiter.is_quoted, delimiter.quote) = (true, Some(byte)),
            b'\\' => delimiter.is_quoted = true,
            b' ' | b'\t' | b'\n' | b';' | b'|' | b'&' | b'<' | b'>' | b'(' | b')' => {
                self.documents.extend(self.delimiter.take());
                return false;
            }
            _ => delimiter.word.push(byte),
        }
        true
    }

    /// A line has ended: what it has announced begins.
    fn begin_document(&mut self) {
        self.line.clear();
        if let Some(document) = self.documents.front() {
            self.stack.push(if document.is_quoted { Around::RawHereDocument } else { Around::HereDocument });
        }
    }

    fn step_in_document(&mut self, byte: u8) {
        let is_escaped = std::mem::take(&mut self.is_escaped);
        self.is_escaped = byte == b'\\' && !is_escaped && self.around() == Around::HereDocument;
        if byte != b'\n' {
            return self.line.push(byte);
        }
        let line = self.line.as_slice();
        let is_end = self.documents.front().is_some_and(|document| {
            let tabs = if document.may_be_indented {
                line.iter().take_while(|byte| **byte == b'\t').count()
            } else {
                0
            };
            line.get(tabs..) == Some(&document.word)
        });
        self.line.clear();
        if is_end {
            self.documents.pop_front();
            self.stack.pop();
            self.begin_document();
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
        check("cat <<E", Around::Nothing);
        check("cat <<E\n", Around::HereDocument);
        check("cat <<E | tr a b\nit's\n", Around::HereDocument);
        check("cat <<E\nit's\nE\n", Around::Nothing);
        check("cat <<- 'E F'\n\tx\n", Around::RawHereDocument);
        check("cat <<-E\n\tx\n\tE\necho \"", Around::DoubleQuotes);
        check("cat <<A; cat <<\\B\nA\n", Around::RawHereDocument);
        check("cat <<<\"", Around::DoubleQuotes);
        check("echo $((1 <<2", Around::Arithmetic);
    }
}
