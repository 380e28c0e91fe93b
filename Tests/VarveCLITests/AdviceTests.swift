import Testing
import Varve
import VarveCLI

@Suite struct AdviceTests {
  @Test func `every command that is advised can be typed`() throws {
    let parser = CommandLineParser(commands: allCommands, globalOptions: globalOptions)
    for pattern in Advice.tree.patterns + Advice.companions {
      #expect(!pattern.commands.isEmpty && !pattern.reason.isEmpty)
      for command in pattern.commands {
        let words = command.split(separator: " ").map(String.init)
        guard words[0] == "varve", case .run = try parser.parse(Array(words.dropFirst())) else {
          Issue.record("\(command) runs nothing")
          continue
        }
      }
    }
  }

  @Test func `every way through the tree ends at a pattern, and each pattern is reached by one`() {
    let names = Advice.tree.questions.map(\.name)
    var reached: [String: Set<[String: Bool]>] = [:]
    for bits in 0..<(1 << names.count) {
      let answers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, bits >> $0 & 1 == 1) })
      guard case .pattern(let pattern) = Advice.tree.following(answers) else {
        Issue.record("\(answers) leads nowhere")
        continue
      }
      reached[pattern.name, default: []].insert(answers)
    }
    #expect(Set(reached.keys) == Set(Advice.tree.patterns.map(\.name)))
    #expect(Advice.tree.patterns.count == Set(Advice.tree.patterns.map(\.name)).count)
  }

  @Test(arguments: [
    ([:], "full"), (["full": false], "keys"), (["full": true, "metadata": false], "Data overwrite"),
    (["full": false, "keys": true, "changes": true, "backfills": true], "Stateful merger"),
    (["keys": false, "constant": false], "full"),
    (["full": false, "keys": false, "constant": false], "Processed feeds"),
  ])
  func `answers lead on as far as they go`(answers: [String: Bool], end: String) {
    switch Advice.tree.following(answers) {
    case .question(let question, _, _): #expect(question.name == end)
    case .pattern(let pattern): #expect(pattern.name == end)
    }
  }
}
