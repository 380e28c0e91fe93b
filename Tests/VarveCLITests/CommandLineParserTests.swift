import Testing
import VarveCLI
import VarveTables

@Suite struct CommandLineParserTests {
  private let parser = CommandLineParser(commands: allCommands, globalOptions: globalOptions)

  private func invocation(_ words: String...) throws -> Invocation {
    guard case .run(let invocation) = try parser.parse(words) else {
      throw Problem(.usage, "not a command to run: \(words)")
    }
    return invocation
  }

  private func complaint(_ words: [String]) -> String {
    do {
      _ = try parser.parse(words)
      return "none"
    } catch let problem as Problem {
      return problem.kind == .usage ? problem.description : "of kind \(problem.kind)"
    } catch {
      return "\(error)"
    }
  }

  @Test func `options may stand before, between and after the arguments`() throws {
    let read = try invocation(
      "--json", "ingest", "a.csv", "--into=prices", "--warehouse", "w", "b.csv", "--key", "sku,market", "--reingest")
    #expect(read.command.name == "ingest")
    #expect(read.arguments == ["a.csv", "b.csv"])
    #expect(read["into"] == "prices")
    #expect(read["warehouse"] == "w")
    #expect(read.list("key") == ["sku", "market"])
    #expect(read.has("json") && read.has("reingest") && !read.has("quiet"))
  }

  @Test func `a repeated list adds up, and a backslash keeps its comma`() throws {
    let read = try invocation(
      "ingest", "a", "--into", "t", "--key", "a", "--key", "b,c", "--partition", #"name=Kabel\, rot,market=DE"#)
    #expect(read.list("key") == ["a", "b", "c"])
    #expect(read.pairs("partition").map(\.column) == ["name", "market"])
    #expect(read.pairs("partition").map(\.value) == ["Kabel, rot", "DE"])
  }

  @Test func `after two dashes everything is an argument`() throws {
    #expect(try invocation("query", "--", "--explain").arguments == ["--explain"])
  }

  @Test func `an option's value may begin with a dash`() throws {
    #expect(try invocation("ingest", "a", "--into", "t", "--execution", "-5")["execution"] == "-5")
  }

  @Test func `help and version are asked for in every usual way`() throws {
    for words in [[], ["help"], ["--help"], ["-h"]] {
      guard case .help(nil) = try parser.parse(words) else {
        Issue.record("\(words) is no call for help")
        continue
      }
    }
    for words in [["help", "diff"], ["diff", "--help"], ["--json", "diff", "a", "-h"]] {
      guard case .help(let command?) = try parser.parse(words), command.name == "diff" else {
        Issue.record("\(words) is no call for help on diff")
        continue
      }
    }
    guard case .version = try parser.parse(["--version"]) else {
      Issue.record("--version is not understood")
      return
    }
  }

  @Test(arguments: [
    (["qurey"], #"there is no command "qurey"; did you mean `varve query`?"#),
    (["zebra"], #"there is no command "zebra"; `varve help` lists the commands"#),
    (["help", "ingset"], #"there is no command "ingset"; did you mean `varve ingest`?"#),
    (["--json"], "no command given; see `varve help`"),
    (
      ["query", "--explian", "x"],
      "varve query: there is no option --explian; did you mean `--explain`?; see `varve help query`"
    ),
    (
      ["query", "-explain", "x"],
      "varve query: there is no option -explain; did you mean `--explain`?; see `varve help query`"
    ),
    (["query"], "varve query: SQL is missing; see `varve help query`"),
    (["query", "a", "b"], #"varve query: "b" is one argument too many; see `varve help query`"#),
    (["query", ""], "varve query: SQL is empty; see `varve help query`"),
    (["ingest", "a"], "varve ingest: --into TABLE is missing; see `varve help ingest`"),
    (["ingest", "a", "--into"], "varve ingest: --into needs a value: TABLE; see `varve help ingest`"),
    (["ingest", "a", "--into", "t", "--into", "t"], "varve ingest: --into is given twice; see `varve help ingest`"),
    (["ingest", "a", "--into="], "varve ingest: --into has an empty value; see `varve help ingest`"),
    (["ingest", "a", "--reingest=yes"], "varve ingest: --reingest takes no value; see `varve help ingest`"),
    (
      ["ingest", "a", "--into", "t", "--on-bad-row", "fial"],
      #"varve ingest: --on-bad-row: "fial" is none of fail, quarantine; did you mean `fail`?; "#
        + "see `varve help ingest`"
    ),
    (
      ["ingest", "a", "--into", "t", "--header-row", "0"],
      #"varve ingest: --header-row: "0" is no whole number from 1 to 1048576; see `varve help ingest`"#
    ),
    (
      ["history", "t", "--limit", "x"],
      #"varve history: --limit: "x" is no whole number of at least 1; see `varve help history`"#
    ),
    (["ingest", "a", "--key", "a,,b"], "varve ingest: --key has an empty entry; see `varve help ingest`"),
    (
      ["ingest", "a", "--partition", "market"],
      #"varve ingest: --partition: "market" is not of the form COLUMN=VALUE; see `varve help ingest`"#
    ),
    (["--into", "t"], "--into stands before the command; write it after: `varve ingest … --into`"),
  ])
  func `what cannot be understood is told in one sentence`(words: [String], sentence: String) {
    #expect(complaint(words) == sentence)
  }

  @Test func `every kind of problem has its exit code`() {
    #expect(exitCode(.failed) == 1)
    #expect(exitCode(.usage) == 2)
    #expect(exitCode(.refused) == 3)
    #expect(exitCode(.damaged) == 4)
    #expect(exitCode(.interrupted) == 130)
  }
}

@Suite struct HelpTests {
  @Test func `help fits its width and names every option with its default`() {
    for command in allCommands {
      let text = help(on: command, width: 72, .plain)
      for line in text.split(separator: "\n") where !line.hasPrefix("  varve ") && !line.hasPrefix("usage:") {
        #expect(displayWidth(String(line)) <= 72, "\(command.name): \(line)")
      }
      for option in command.options { #expect(text.contains("--\(option.name)"), "\(command.name) \(option.name)") }
    }
  }

  @Test func `help tells every word that an option or an argument takes`() {
    for command in allCommands {
      for option in command.options {
        guard case .choice(let words) = option.kind else { continue }
        for word in words {
          #expect((option.placeholder + option.help).contains(word), "\(command.name) --\(option.name): \(word)")
        }
      }
      for argument in command.arguments {
        for word in argument.choices {
          #expect((argument.name + argument.help).contains(word), "\(command.name): \(word)")
        }
      }
    }
  }

  @Test func `no command has two options of one name, or one of a global option's`() {
    for command in allCommands {
      let names = (command.options + globalOptions).map(\.name)
      #expect(Set(names).count == names.count, "\(command.name)")
    }
  }
}
