/** What all dashboards have in common: how they are found, from where to where, and links to one another. */
import {
  type DashboardBuilder,
  DashboardLinkBuilder,
  DashboardLinkType,
} from '@grafana/grafana-foundation-sdk/dashboard';

const TAG = 'everyview';

export function dashboardFrame(
  dashboard: DashboardBuilder,
  uid: string,
  description: string,
): DashboardBuilder {
  return dashboard
    .uid(uid)
    .description(description)
    .tags([TAG])
    .timezone('browser')
    .time({ from: 'now-30m', to: 'now' })
    .refresh('10s')
    .readonly()
    .link(
      new DashboardLinkBuilder('EveryView')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(false)
        .includeVars(true)
        .keepTime(true),
    );
}
