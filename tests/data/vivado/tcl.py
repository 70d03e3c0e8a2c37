"""As much of Tcl as the generated scripts use; anything else is an error, as it would be in Tcl."""

import re


class TclError(Exception):
    """What Tcl says."""


_ESCAPES = {"n": "\n", "t": "\t"}


class Tcl:
    """An interpreter whose commands are Python functions that take and return text."""

    def __init__(self, commands):
        own = {name: getattr(self, f"_{name}") for name in ("set", "foreach", "if", "llength", "lindex")}
        self.commands = {**own, **commands}
        self.variables = {}

    def run(self, text):
        """Run a script and return the last command's result."""
        result, at = "", 0
        while at < len(text):
            words, at = self._command(text, at)
            if words:
                if words[0] not in self.commands:
                    raise TclError(f'invalid command name "{words[0]}"')
                result = self.commands[words[0]](*words[1:])
        return result

    # -- parsing -----------------------------------------------------------------------------------

    def _command(self, text, at):
        words = []
        while at < len(text):
            char = text[at]
            if char in "\n;":
                return words, at + 1
            if char in " \t":
                at += 1
            elif text.startswith("\\\n", at):
                at += 2
            elif char == "#" and not words:
                at = text.find("\n", at) + 1 or len(text)
            elif char == "{":
                end = self._closing(text, at, "{", "}")
                words.append(text[at + 1 : end])
                at = end + 1
                if at < len(text) and text[at] not in " \t\n;":
                    raise TclError("extra characters after close-brace")
            elif char == '"':
                word, at = self._substituted(text, at + 1, '"')
                words.append(word)
                at += 1
            else:
                word, at = self._substituted(text, at, " \t\n;")
                words.append(word)
        return words, at

    @staticmethod
    def _closing(text, at, left, right):
        depth = 0
        for index in range(at, len(text)):
            if text[index - 1] == "\\":
                continue
            depth += (text[index] == left) - (text[index] == right)
            if depth == 0:
                return index
        raise TclError(f"missing close-{'brace' if left == '{' else 'bracket'}")

    def _substituted(self, text, at, ends):
        out = ""
        while at < len(text) and text[at] not in ends:
            char = text[at]
            if char == "\\":
                out += _ESCAPES.get(text[at + 1], text[at + 1])
                at += 2
            elif char == "[":
                end = self._closing(text, at, "[", "]")
                out += self.run(text[at + 1 : end])
                at = end + 1
            elif char == "$":
                name = re.match(r"\w+", text[at + 1 :])
                if name is None or name[0] not in self.variables:
                    raise TclError(f'can\'t read "{name and name[0]}": no such variable')
                out += self.variables[name[0]]
                at += 1 + len(name[0])
            else:
                out += char
                at += 1
        if ends == '"' and at >= len(text):
            raise TclError("missing quote")
        return out, at

    def list(self, text):
        """Return the elements of a Tcl list."""
        words, at = [], 0
        flat = text.replace("\n", " ")
        while at < len(flat):
            if flat[at] == "{":
                end = self._closing(flat, at, "{", "}")
                words.append(flat[at + 1 : end])
                at = end + 1
            elif flat[at].isspace():
                at += 1
            else:
                word = re.match(r"\S+", flat[at:])[0]
                words.append(word)
                at += len(word)
        return words

    # -- commands ----------------------------------------------------------------------------------

    def _set(self, name, value):
        self.variables[name] = value
        return value

    def _llength(self, text):
        return str(len(self.list(text)))

    def _lindex(self, text, index):
        words = self.list(text)
        return words[int(index)] if int(index) < len(words) else ""

    def _foreach(self, name, values, body):
        for value in self.list(values):
            self._set(name, value)
            self.run(body)
        return ""

    def _if(self, condition, body):
        text, _ = self._substituted(condition, 0, "")
        match = re.fullmatch(r"\s*(\S+)\s*(<|==)\s*(\S+)\s*", text)
        if match is None:
            raise TclError(f'invalid expression "{text}"')
        try:
            left, right = float(match[1]), float(match[3])
        except ValueError:
            raise TclError(f'expected floating-point number in "{text}"') from None
        true = left < right if match[2] == "<" else left == right
        return self.run(body) if true else ""
