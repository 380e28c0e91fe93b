import Glibc
import Varve
package import VarveTables

/// One run of the command line: where it prints, and what it ends with.
package struct Session {
  package let output = Stream(STDOUT_FILENO, name: "standard output")
  package let errors = Stream(STDERR_FILENO, name: "standard error")

  package init() {}

  /// Runs a command line (without the program's name) and gives the exit code.
  package func run(_ words: [String]) -> Int32 {
    do {
      if words.first == CompletionScript.question {
        try complete(Array(words.dropFirst()))
      } else {
        try perform(CommandLineParser(commands: allCommands, globalOptions: globalOptions).parse(words))
      }
      try output.flush()
      try? errors.flush()
      return 0
    } catch is ReaderLeft {
      return 0
    } catch {
      return report(error)
    }
  }

  private func perform(_ request: Request) throws {
    switch request {
    case .help(nil):
      try output.write(overview(groups: commandGroups, globalOptions: globalOptions, width: helpWidth, output.style))
    case .help(let command?):
      try output.write(help(on: command, width: helpWidth, output.style))
    case .version:
      try output.writeLine("varve \(Varve.version)")
    case .run(let call):
      let warehouse = Warehouse(at: warehousePath(call["warehouse"]), surroundings: try surroundingsOfProcess())
      if !call.command.worksWithoutWarehouse { try checkIsThere(warehouse, named: call["warehouse"]) }
      try run(call, warehouse)
    }
  }

  /// A mistyped warehouse is not taken for an empty one. The usual one need not be there.
  private func checkIsThere(_ warehouse: Warehouse, named: String?) throws {
    guard named != nil || nonEmpty(environment("VARVE_WAREHOUSE")) != nil, try warehouse.lake() == nil else { return }
    throw Problem(
      .failed, at: [warehouse.path], "there is no such warehouse",
      advice: "check \(named == nil ? "VARVE_WAREHOUSE" : "--warehouse"); `varve ingest` makes one where there is none")
  }

  private func run(_ call: Invocation, _ warehouse: Warehouse) throws {
    switch call.command.name {
    case "ingest": try ingest(call, warehouse)
    case "preview": try preview(call, warehouse)
    case "cells": try cells(call, warehouse)
    case "tables": try tables(call, warehouse)
    case "describe": try describe(call, warehouse)
    case "history": try history(call, warehouse)
    case "executions": try executions(call, warehouse)
    case "query": try query(call, warehouse)
    case "diff": try diff(call, warehouse)
    case "advise": try advise(call)
    case "export": try export(call, warehouse)
    case "ingestions": try ingestions(call, warehouse)
    case "push": try push(call, warehouse)
    case "deliveries": try deliveries(call, warehouse)
    case "receive": try receive(call)
    case "restore": try restore(call, warehouse)
    case "check": try check(call, warehouse)
    case "replay": try replay(call, warehouse)
    case "alter": try alter(call, warehouse)
    case "truncate": try truncate(call, warehouse)
    case "drop": try drop(call, warehouse)
    case "publish": try publish(call, warehouse)
    case "tag": try tag(call, warehouse)
    case "hold": try hold(call, warehouse)
    case "immutable": try immutable(call, warehouse)
    case "symlinks": try symlinks(call, warehouse)
    case "serve": try serve(call, warehouse)
    case "completion": try completion(call)
    case "man": try man()
    case "compact": try compact(call, warehouse)
    case "vacuum": try vacuum(call, warehouse)
    case "verify": try verify(call, warehouse)
    case "repair": try repair(call, warehouse)
    case "transaction": try transaction(call, warehouse)
    case "watch": try watch(call, warehouse)
    case "retry": try retry(call, warehouse)
    case "dead-letters": try deadLetters(call, warehouse)
    default: preconditionFailure("the command \(call.command.name) is in the table, and nothing runs it")
    }
  }

  var helpWidth: Int { min(output.width ?? 80, 100) }

  private func report(_ error: any Error) -> Int32 {
    let problem = error as? Problem ?? Problem(.failed, "\(error)")
    try? output.flush()
    try? errors.writeLine(errors.style.paint("varve: ", .bad) + problem.description)
    try? errors.flush()
    return exitCode(problem.kind)
  }
}

/// The directory that is named, else that of the environment, else the usual one.
func warehousePath(_ named: String?) -> String {
  named ?? nonEmpty(environment("VARVE_WAREHOUSE")) ?? "Warehouse"
}

package func exitCode(_ kind: Problem.Kind) -> Int32 {
  switch kind {
  case .failed: 1
  case .usage: 2
  case .refused: 3
  case .damaged: 4
  case .interrupted: 130
  }
}
