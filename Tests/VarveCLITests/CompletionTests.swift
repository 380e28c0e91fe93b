import Testing
import VarveCLI

@Suite struct CompletionTests {
  private let completion = Completion(
    groups: commandGroups, globalOptions: globalOptions,
    tables: { warehouse in warehouse == "other" ? [.init("elsewhere")] : [.init("prices"), .init("products")] },
    versions: { _, table in table == "products" ? [.init("2"), .init("1"), .init("tag:season")] : [] },
    columns: { warehouse, table, feed in
      let names = table == "products" ? ["sku", "name", "verfügbar_ab", "odd name"] : feed.map { ["of", $0] } ?? []
      return names.map { .init($0) }
    }, targets: { $0 == "other" ? [] : [.init("shop"), .init("pim")] })

  private func words(_ words: String...) -> [String]? {
    guard case .words(let candidates) = completion.proposal(for: words) else { return nil }
    return candidates.map(\.text)
  }

  @Test func `a command is completed, also behind global options and after help`() {
    #expect(words("ing") == ["ingest", "ingestions"])
    #expect(words("--json", "--warehouse", "w", "qu") == ["query"])
    #expect(words("help", "dif") == ["diff"])
    #expect(words("")?.count == allCommands.count + 1)
    #expect(words("help", "diff", "") == [])
  }

  @Test func `options are those of the command and of every command, but for those given`() {
    #expect(words("truncate", "--") == ["--warehouse", "--json", "--quiet", "--partition", "--dry-run", "--help"])
    #expect(words("truncate", "--dry-run", "--json", "--partition", "a=b", "--d") == [])
    #expect(words("truncate", "--json", "--partition", "a=b", "--p") == ["--partition"])
    #expect(words("--") == ["--warehouse", "--json", "--quiet", "--help"])
    #expect(words("ingest", "--", "--") == nil)
  }

  @Test func `a value is completed behind a blank and behind an equals sign`() {
    #expect(words("ingest", "--mode", "st") == ["stateful-merge"])
    #expect(words("ingest", "--mode=st") == ["--mode=stateful-merge"])
    #expect(words("diff", "a@1", "a@2", "--format", "") == ["table", "csv", "json", "ndjson"])
    #expect(words("receive", "--misbehave", "die,st") == ["die,stall"])
    #expect(words("receive", "--misbehave=die,dou") == ["--misbehave=die,double-ack"])
    #expect(words("push", "products", "--changes-since", "") == ["delivered"])
    #expect(words("ingest", "--limit", "") == nil)
    #expect(words("history", "products", "--limit", "") == [])
  }

  @Test func `tables and versions are those of the warehouse that the line names`() {
    #expect(words("ingest", "a.csv", "--into", "p") == ["prices", "products"])
    #expect(words("history", "pro") == ["products"])
    #expect(words("describe", "products@") == ["products@2", "products@1", "products@tag:season"])
    #expect(words("diff", "products@1", "products@t") == ["products@tag:season"])
    #expect(words("--warehouse=other", "history", "") == ["elsewhere"])
    #expect(words("history", "--warehouse", "other", "") == ["elsewhere"])
  }

  @Test func `columns are those of the table that is meant, or of the feed that will make it`() {
    #expect(words("ingest", "a", "--into", "products", "--key", "s") == ["sku"])
    #expect(words("ingest", "a", "--into=products", "--key=name,") == ["--key=name,sku", "--key=name,verfügbar_ab"])
    #expect(words("ingest", "a", "--into", "new", "--key-from", "") == ["of", "a"])
    #expect(words("ingest", "a", "--partition-by", "o") == ["of"])
    #expect(words("ingest", "--newest-by", "") == [])
    #expect(words("alter", "products", "--drop", "sku,n") == ["sku,name"])
  }

  @Test func `targets are those of the warehouse`() {
    #expect(words("push", "products", "--to", "") == ["shop", "pim"])
    #expect(words("push", "--check", "p") == ["pim"])
    #expect(words("--warehouse", "other", "push", "--to=") == [])
  }

  @Test func `files and directories are the shell's to complete`() {
    #expect(completion.proposal(for: ["ingest", ""]) == .files)
    #expect(completion.proposal(for: ["ingest", "a.csv", "b"]) == .files)
    #expect(completion.proposal(for: ["ingest", "a.csv", "--schema=x"]) == .files)
    #expect(completion.proposal(for: ["--warehouse", ""]) == .directories)
    #expect(completion.proposal(for: ["watch", ""]) == .directories)
  }

  @Test func `arguments with a choice have their words, and more arguments than there are have options`() {
    #expect(words("completion", "") == ["bash", "zsh", "fish"])
    #expect(words("dead-letters", "re") == ["requeue"])
    #expect(words("tables", "")?.first == "--warehouse")
    #expect(words("query", "") == [])
  }

  @Test func `every choice that the commands know is offered`() {
    for command in allCommands {
      for option in command.options {
        switch option.kind {
        case .choice(let choices), .choices(let choices):
          #expect(words(command.name, "--\(option.name)", "") == choices, "\(command.name) --\(option.name)")
        case .flag, .text, .integer, .list, .pairs, .path: break
        }
      }
    }
  }
}
