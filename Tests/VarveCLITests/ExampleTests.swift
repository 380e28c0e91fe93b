import Testing
import VarveCLI

@Suite struct ExampleTests {
  private let parser = CommandLineParser(commands: allCommands, globalOptions: globalOptions)

  @Test func `every command has an example, and each example can be typed`() throws {
    for command in allCommands {
      var isOwn = false
      for example in command.examples {
        for words in commandLines(example.line) {
          let request = try parser.parse(Array(words.dropFirst()))
          guard words.first == "varve", case .run(let invocation) = request else {
            Issue.record("\(example.line) is no command line of varve")
            continue
          }
          isOwn = isOwn || invocation.command.name == command.name
        }
        #expect(!example.purpose.hasSuffix("."), "\(example.line): its purpose ends with a full stop")
      }
      #expect(isOwn, "varve \(command.name) has no example of itself")
    }
  }

  @Test func `a line of examples is parted as a shell does`() {
    #expect(commandLines(#"varve query 'a "b"' "c d" e'f' > out"#) == [["varve", "query", #"a "b""#, "c d", "ef"]])
    #expect(commandLines("varve a | less") == [["varve", "a"]])
    #expect(commandLines("source <(varve completion bash)") == [["varve", "completion", "bash"]])
  }

  /// The words of each call of `varve` in a line of shell: quotes are taken away, and what is redirected is left out.
  private func commandLines(_ line: String) -> [[String]] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    for letter in line + " " {
      if let open = quote {
        if letter == open { quote = nil } else { word = (word ?? "") + String(letter) }
      } else if letter == "'" || letter == "\"" {
        quote = letter
        word = word ?? ""
      } else if "<>|()".contains(letter) {
        words += [word, String(letter)].compactMap { $0 }
        word = nil
      } else if letter == " " {
        words += [word].compactMap { $0 }
        word = nil
      } else {
        word = (word ?? "") + String(letter)
      }
    }
    return words.split { "<>|()".contains($0) }.map(Array.init).filter { $0.first == "varve" }
  }
}
