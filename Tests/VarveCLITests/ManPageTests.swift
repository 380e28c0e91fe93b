import Testing
import VarveCLI

@Suite struct ManPageTests {
  private let page = manPage(
    groups: commandGroups, globalOptions: globalOptions, version: "1.2.3", date: "2024-10-06")

  @Test func `the page has every command, option and example`() {
    for command in allCommands {
      #expect(page.contains("\n.SS \"varve \(command.name)"))
      for option in command.options {
        #expect(page.contains("\\fB\\-\\-" + option.name.split(separator: "-").joined(separator: "\\-") + "\\fR"))
      }
    }
  }

  @Test func `nothing in a text is a request to roff`() {
    let page = manPage(
      groups: [
        CommandGroup(
          "g", [Command("c", ".so /etc/passwd", details: ["'x", #"a \fB "quoted" – ümlaut"#], examples: [("x", "y")])])
      ], globalOptions: [], version: "1", date: "d")
    #expect(page.contains("\n\\&.so /etc/passwd.\n"))
    #expect(page.contains("\n\\(aqx\n"))
    #expect(page.contains("a \\efB \\(dqquoted\\(dq \\[u2013] \\[u00FC]mlaut\n"))
    #expect(page.utf8.allSatisfy { $0 < 0x80 })
  }
}
