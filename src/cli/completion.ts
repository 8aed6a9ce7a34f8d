// `stemma completion`: scripts by which shells complete commands and flags, made from the tables of commands. Each asks nothing of stemma itself: a script holds
// all of it, since a command that starts a process for each press of a key is slow.
import type { Command, Commands } from './command.ts'
import { type FlagName, flagChoices, flags, pathFlags, UsageError } from './usage.ts'

export function completionScript(shell: string, commands: Commands): string {
  switch (shell) {
    case 'bash':
      return bash(commands)
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\n${bash(commands)}`
    case 'fish':
      return fish(commands)
    default:
      throw new UsageError(`there is no completion for '${shell}'; there is one for bash, zsh and fish`)
  }
}

const entries = (commands: Commands): [string, Command][] => Object.entries(commands)

/** Beginnings of commands, each with the words that may follow it. */
function nextWords(commands: Commands): Map<string, Set<string>> {
  const next = new Map<string, Set<string>>()
  const add = (before: string, word: string) => next.set(before, (next.get(before) ?? new Set()).add(word))
  for (const [name, { choices = [] }] of entries(commands)) {
    const words = name.split(' ')
    for (const [place, word] of words.entries()) add(words.slice(0, place).join(' '), word)
    for (const choice of choices) add(name, choice)
  }
  add('', 'help')
  return next
}

const takesValue = (flag: FlagName) => flags[flag].type === 'string'
const flagWords = (command: Command) => [...command.flags, 'help'].map((flag) => `--${flag}`).join(' ')

// Words that were typed before the cursor are put together without flags and their values; the longest beginning of them that is a command's decides.
function bash(commands: Commands): string {
  const valued = (Object.keys(flags) as FlagName[]).filter(takesValue)
  const patterns = (names: readonly FlagName[]) => names.map((name) => `--${name}`).join('|')
  const next = [...nextWords(commands)].map(([before, words]) => `    '${before}') echo '${[...words].join(' ')}' ;;`)
  const own = entries(commands).map(([name, command]) => `    '${name}') echo '${flagWords(command)}' ;;`)
  const choices = Object.entries(flagChoices).map(
    ([flag, words]) => `    --${flag}) COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$cur")); return ;;`,
  )
  return `# stemma's commands and flags, for bash
_stemma_next() {
  case "$1" in
${next.join('\n')}
  esac
}
_stemma_flags() {
  case "$1" in
${own.join('\n')}
  esac
}
_stemma_files() {
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$1"))
}
_stemma() {
  # as bash has taken them apart: a colon is a word of its own, and is put together again
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="" before="" command="" word i
  local line=() at
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    at=\${#line[@]}
    if ((at > 0)) && { [[ "$word" == : ]] || [[ "\${line[at - 1]}" == *: && "\${COMP_WORDS[i - 1]}" == : ]]; }; then
      line[at - 1]+="$word"
    else
      line+=("$word")
    fi
  done
  at=$((\${#line[@]} - 1))
  local whole="\${line[at]}"
  ((at > 0)) && prev="\${line[at - 1]}"
  case "$prev" in
    --scope)
      COMPREPLY=($(compgen -W '${(flagChoices.scope ?? []).join(' ')}' -- "$whole"))
      [[ "$whole" == *:* ]] && COMPREPLY=("\${COMPREPLY[@]#"\${whole%:*}:"}")
      return ;;
${choices.filter((line) => !line.includes('--scope)')).join('\n')}
    ${patterns([...pathFlags])}) _stemma_files "$cur"; return ;;
    ${patterns(valued.filter((flag) => !pathFlags.has(flag) && flagChoices[flag] === undefined))}) return ;;
  esac
  for ((i = 0; i < at; i++)); do
    word="\${line[i]}"
    case "$word" in
      ${patterns(valued)}) ((i++)) ;;
      -*) ;;
      *)
        before="\${before:+$before }$word"
        [[ -n "$(_stemma_flags "$before")" ]] && command="$before" ;;
    esac
  done
  if [[ "$cur" == -* ]]; then
    COMPREPLY=($(compgen -W "$(_stemma_flags "$command")" -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$(_stemma_next "$before")" -- "$cur"))
    if [[ -n "$command" && -z "$(_stemma_next "$before")" ]]; then _stemma_files "$cur"; fi
  fi
}
complete -F _stemma stemma`
}

function fish(commands: Commands): string {
  const lines = [
    '# stemma’s commands and flags, for fish',
    'function __stemma_at',
    '  set -l words (commandline -opc)[2..-1]',
    "  test (string join ' ' -- (string match -v -- '-*' $words)) = \"$argv\"",
    'end',
    'function __stemma_in',
    "  string match -q -- \"$argv*\" (string join ' ' -- (string match -v -- '-*' (commandline -opc)[2..-1]))",
    'end',
    'complete -c stemma -f -n \'__stemma_at ""\' -l version -l help',
  ]
  for (const [before, words] of nextWords(commands))
    lines.push(`complete -c stemma -f -n '__stemma_at "${before}"' -a '${[...words].join(' ')}'`)
  for (const [name, command] of entries(commands)) {
    for (const flag of [...command.flags, 'help'] as FlagName[]) {
      const value = !takesValue(flag)
        ? ''
        : pathFlags.has(flag)
          ? ' -rF'
          : ` -x${flagChoices[flag] ? ` -a '${flagChoices[flag].join(' ')}'` : ''}`
      lines.push(`complete -c stemma -n '__stemma_in "${name}"' -l ${flag}${value}`)
    }
  }
  return lines.join('\n')
}
