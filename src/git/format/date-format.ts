// Dates as git writes them (git-log(1), --date): seconds since 1970 with a zone such as +0130, in the zone's own time.

export type DateStyle = 'normal' | 'rfc' | 'iso' | 'iso-strict' | 'short'

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** @param zone as a number with hours in its hundreds: −130 for one and a half hours west */
export function formatDate(seconds: number, zone: number, style: DateStyle): string {
  const whole = Math.abs(zone)
  const offset = Math.sign(zone) * (Math.floor(whole / 100) * 60 + (whole % 100)) * 60
  const time = new Date((seconds + offset) * 1000)
  // what no calendar has is shown as the beginning of time
  const isKnown = !Number.isNaN(time.getTime()) && time.getUTCFullYear() < 10_000 && Number.isSafeInteger(zone)
  return isKnown ? written(time, zone, style) : written(new Date(0), 0, style)
}

function written(time: Date, zone: number, style: DateStyle): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const year = time.getUTCFullYear()
  const day = time.getUTCDate()
  const clock = `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())}`
  const date = `${String(year).padStart(4, '0')}-${two(time.getUTCMonth() + 1)}-${two(day)}`
  const sign = zone < 0 ? '-' : '+'
  const shift = String(Math.abs(zone)).padStart(4, '0')
  const weekday = weekdays[time.getUTCDay()]
  const month = months[time.getUTCMonth()]
  switch (style) {
    case 'normal':
      return `${weekday} ${month} ${day} ${clock} ${year} ${sign}${shift}`
    case 'rfc':
      return `${weekday}, ${day} ${month} ${year} ${clock} ${sign}${shift}`
    case 'iso':
      return `${date} ${clock} ${sign}${shift}`
    case 'iso-strict':
      return `${date}T${clock}${zone === 0 ? 'Z' : `${sign}${shift.slice(0, -2)}:${shift.slice(-2)}`}`
    case 'short':
      return date
  }
}
